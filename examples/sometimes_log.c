/* sometimes_log.c - a warning that may come a million times, told now and then.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  The first three warnings, then every hundredth, and the next one if the last was told an
 *          hour ago: one object, shared by all who warn. The functions follow each other, so lines
 *          do not mix.
 * Mistake  Logging each of them: the disk fills up, and the one line that matters is lost. A static
 *          counter in the function: it is a data race, and each place counts for itself.
 */
#include <cconc/cconc.h>

#include <stdio.h>

enum { WARNINGS = 350 };

struct warning {
    int number;
    const char *what;
};

static void tell(void *arg)
{
    const struct warning *warning = arg;
    printf("warning %d: %s\n", warning->number, warning->what);
}

int main(void)
{
    const cconc_sometimes_opts opts = {
        .first = 3, .every = 100, .interval_ns = 3600 * CCONC_SECOND};
    cconc_sometimes *log = NULL;
    int told = 0;
    int err = cconc_sometimes_new(&opts, &log);
    for (int i = 1; i <= WARNINGS && !err; i++) {
        struct warning warning = {i, "the disk is slow"};
        bool ran = false;
        err = cconc_sometimes_do(log, NULL, tell, &warning, &ran);
        told += ran;
    }
    if (err) {
        fprintf(stderr, "sometimes_log: %s\n", cconc_strerror(err));
    } else {
        printf("%d warnings, %d told\n", WARNINGS, told);
    }
    cconc_sometimes_free(log);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
