"""mistakes.py - proves that each check of man.py fires, on pages into which a mistake was put.
SPDX-License-Identifier: MIT
"""
import os
import shutil
import tempfile

PROGRAM = "int main(void)\n{\n"

# Page, what is replaced, what by, and what man.py must then say, of this page or of the whole.
MISTAKES = [
    ("cconc_sem_new.3", "% CCONC_SEM_NEW(3)", "% CCONC_SEM(3)", "title and date"),
    ("cconc_sem_new.3", "# RETURN VALUE", "# RESULT", "has the sections"),
    ("cconc_sem_new.3", "# VERSIONS\n\nSince libcconc 0.1.0.", "# VERSIONS\n", "VERSIONS is empty"),
    ("cconc_sem_new.3", "libcconc 0.1.0.", "libcconc 0.0.9.", "no version of CHANGELOG"),
    ("cconc-fork.7", "# SEE ALSO", "# ALSO", "has the sections"),
    ("cconc-fork.7", "cconc-fork - ", "cconc-fork: ", "NAME does not name the page"),
    ("cconc_sem_new.3", ", cconc_sem_free - ", " - ", "no page has cconc_sem_free in its NAME"),
    ("cconc_sem_new.3", ", cconc_sem_free - ", ", cconc_sem_free, cconc_timer_free - ",
     "NAME has cconc_timer_free, as that of"),
    ("cconc_sem_new.3", ", cconc_sem_free - ", ", cconc_sem_free, cconc_sem_peek - ",
     "nothing public"),
    ("cconc_sem_new.3", "<cconc/sem.h>\n\nint", "<cconc/cconc.h>\n\nint", "SYNOPSIS includes"),
    ("cconc_sem_new.3", "int64_t capacity, cconc_sem **out_sem);",
     "int32_t capacity, cconc_sem **out_sem);", "declares cconc_sem_new otherwise"),
    ("cconc_sem_new.3", "int64_t cconc_sem_available(", "int64_t cconc_sem_free_count(",
     "declares cconc_sem_free_count otherwise"),
    ("cconc_sem_new.3", "void cconc_sem_free(cconc_sem *sem);\n", "", "are not those of NAME"),
    ("cconc_sem_new.3", "void cconc_sem_free(cconc_sem *sem);\n",
     "void cconc_sem_free(cconc_sem *sem);\nand more\n", "what is no declaration: and more"),
    ("cconc_chan_new.3", "/* second argument of drop */", "/* the first argument of drop */",
     "declares cconc_chan_opts otherwise"),
    ("cconc_chan_new.3", "#define CCONC_CHAN_MAX_CAP 1048576u\n", "",
     "no SYNOPSIS has CCONC_CHAN_MAX_CAP"),
    ("cconc_chan_new.3", "CCONC_CHAN_OF(T, name) ...", "CCONC_CHAN_OF(type, name) ...",
     "declares CCONC_CHAN_OF otherwise"),
    ("cconc_sem_new.3", "**EAGAIN**\n", "**EPERM**\n", "ERRORS lacks EAGAIN"),
    ("cconc_sem_new.3", "**EAGAIN**\n", "**EPERM**\n", "ERRORS has EPERM"),
    ("cconc_sem_new.3", "**ENOTRECOVERABLE**\n:   ", "**ENOTRECOVERABLE**: ",
     "ERRORS lacks ENOTRECOVERABLE"),
    ("cconc_ctx_fd.3", "**EMFILE**, **ENFILE**", "**EMFILE**", "ERRORS lacks ENFILE"),
    ("cconc_clock_now.3", "None.", "There are none.", "is not 'None.'"),
    ("cconc_sem_new.3", "| cconc_sem_free | alone | no | no | no | no |\n", "",
     "not one row for each function"),
    ("cconc_sem_new.3", "| cconc_sem_free | alone |", "| cconc_sem_free | maybe |",
     "MT-safe cannot be 'maybe'"),
    ("cconc_sem_new.3", "| cconc_sem_new | yes | no | no | yes |",
     "| cconc_sem_new | yes | no | no | no |", "has ENOMEM and does not allocate"),
    ("cconc_sem_new.3", "| cconc_sem_acquire | yes | no | yes | no | yes |",
     "| cconc_sem_acquire | yes | no | yes | no | no |", "context-aware, or not"),
    ("cconc_sem_new.3", "| cconc_sem_try_acquire | yes | no | no |",
     "| cconc_sem_try_acquire | yes | no | yes |", "cconc_sem_try_acquire blocks"),
    ("cconc_ctx_until.3", "int main(", "int start(", "not exactly one program"),
    ("cconc_strerror.3", "cconc_strerror(ETIMEDOUT)", '"none"', "uses no function of the page"),
    ("cconc_ctx_fd.3", PROGRAM, PROGRAM + "    int unused;\n", "does not compile"),
    ("cconc_ctx_fd.3", PROGRAM, PROGRAM + "    if (CCONC_NEVER) return 3;\n",
     "ends with status 3"),
    ("cconc_ctx_fd.3", "**cconc_ctx_after_func**(3)", "**cconc_ctx_before**(3)",
     "names cconc_ctx_before(3)"),
    ("cconc_ctx_fd.3", "**cconc_ctx_fd**() gives", "**cconc_ctx_get_fd**() gives",
     "names cconc_ctx_get_fd()"),
    ("cconc_ctx_fd.3", "# SEE ALSO\n\n", "# SEE ALSO\n\nmore: ", "SEE ALSO is no list"),
    ("cconc_ctx_fd.3", "% 2026-", "% 3026-13-", "mandoc says"),
]


def self_test(root, checker_class, library):
    """Put in each mistake alone. Prints those that man.py did not see."""
    missed = 0
    is_linted = True
    for page, old, new, wanted in MISTAKES:
        with tempfile.TemporaryDirectory() as scratch:
            folder = os.path.join(scratch, "man")
            shutil.copytree(os.path.join(root, "docs", "man"), folder)
            path = os.path.join(folder, page + ".md")
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if old not in text:
                print(f"{page}: has no '{old}' to be replaced")
                missed += 1
                continue
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(old, new, 1))
            checker = checker_class(root, folder)
            checker.check()
            if "compile" in wanted or "status" in wanted:
                checker.pages = [p for p in checker.pages if p.path == path]
                checker.run_examples(library)
            if "mandoc" in wanted:
                checker.pages = [p for p in checker.pages if p.path == path]
                is_linted = checker.lint()
            if not any(wanted in finding for finding in checker.findings) and (
                    "mandoc" not in wanted or is_linted):
                print(f"{page}: with '{new.strip()}' for '{old.strip()}', '{wanted}' is not said: "
                      f"{checker.findings}")
                missed += 1
    if not is_linted:
        print("SKIPPED: what mandoc says; it or pandoc is not installed")
    print(f"man: {len(MISTAKES)} mistakes, {missed} missed")
    return 1 if missed else 0
