/* walk.c - the sorted walk over a directory tree
 * SPDX-License-Identifier: MIT
 *
 * The order needs no sort over the whole tree: when a directory "a" counts as "a/" among the names
 * of its parent, then visiting each directory's names in byte order visits all paths in byte order
 * ("a-b" < "a.b" < "a/x" < "a0"). So only the names of the directories on the way down from the
 * root are held, one after the other in one block of text, and released from its end.
 *
 * A directory is closed before its first entry is visited: depth costs no file descriptors.
 */
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory that has been read and whose entries are being visited. */
struct level {
    size_t dir_len;    /* bytes of the path that name it, slash included */
    size_t text_start; /* where its names start in text */
    size_t name_start; /* where its entries start in names */
    size_t name_next;  /* the next of its entries to visit */
};

struct walk {
    cconc_ctx               *ctx;
    const struct walk_calls *calls;
    char                    *text;   /* zero-ended names; those of directories end with a slash */
    size_t                   text_len, text_cap;
    size_t                  *names;  /* where each name starts in text */
    size_t                   names_len, names_cap;
    size_t                  *scratch; /* as long as names, for sorting */
    size_t                   scratch_cap;
    struct level            *levels;
    size_t                   levels_len, levels_cap;
    char                     path[WALK_PATH_SIZE];
};

/* Make room for one more run of `more` elements in an array that grows by doubling. */
static int reserve(void **array, size_t *cap, size_t len, size_t more, size_t elem_size)
{
    if (*cap - len >= more) {
        return 0;
    }
    size_t wanted = *cap < 64 ? 64 : *cap;
    while (wanted - len < more) {
        if (wanted > SIZE_MAX / 2 / elem_size) {
            return ENOMEM;
        }
        wanted *= 2;
    }
    void *grown = realloc(*array, wanted * elem_size);
    if (!grown) {
        return ENOMEM;
    }
    *array = grown;
    *cap = wanted;
    return 0;
}

static int add_name(struct walk *w, const char *name, bool is_dir)
{
    size_t len = strlen(name);
    void *text = w->text;
    int err = reserve(&text, &w->text_cap, w->text_len, len + 2, 1);
    w->text = text;
    void *names = w->names;
    if (err == 0) {
        err = reserve(&names, &w->names_cap, w->names_len, 1, sizeof *w->names);
        w->names = names;
    }
    if (err != 0) {
        return err;
    }
    w->names[w->names_len++] = w->text_len;
    memcpy(w->text + w->text_len, name, len);
    w->text_len += len;
    if (is_dir) {
        w->text[w->text_len++] = '/';
    }
    w->text[w->text_len++] = '\0';
    return 0;
}

/* Merge two sorted neighbours, [start, middle) and [middle, end), into scratch. */
static int merge_runs(struct walk *w, size_t start, size_t middle, size_t end)
{
    size_t left = start, right = middle;
    for (size_t i = start; i < end; i++) {
        if (cconc_ctx_err(w->ctx) != 0) {
            return cconc_ctx_err(w->ctx);
        }
        bool from_left = right == end;
        if (left < middle && right < end) {
            from_left = strcmp(w->text + w->names[left], w->text + w->names[right]) < 0;
        }
        w->scratch[i] = w->names[from_left ? left++ : right++];
    }
    return 0;
}

/* Sort the names from start on by their bytes: a merge sort, because qsort cannot be cancelled. */
static int sort_names(struct walk *w, size_t start)
{
    size_t end = w->names_len;
    void *scratch = w->scratch;
    int err = reserve(&scratch, &w->scratch_cap, 0, w->names_cap, sizeof *w->scratch);
    w->scratch = scratch;
    for (size_t width = 1; width < end - start && err == 0; width *= 2) {
        for (size_t at = start; at < end && err == 0; at += 2 * width) {
            size_t middle = end - at < width ? end : at + width;
            size_t stop = end - at < 2 * width ? end : at + 2 * width;
            err = merge_runs(w, at, middle, stop);
        }
        if (err == 0) {
            memcpy(w->names + start, w->scratch + start, (end - start) * sizeof *w->names);
        }
    }
    return err;
}

/* Tell whether an entry is a directory (2), a regular file (1), or of no interest (0). On failure
 * give 0 and set *out_err. */
static int entry_kind(int dir_fd, const struct dirent *entry, int *out_err)
{
    mode_t mode = 0;
    if (entry->d_type == DT_UNKNOWN) {
        struct stat status;
        if (fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            *out_err = errno;
            return 0;
        }
        mode = status.st_mode;
    }
    if (entry->d_type == DT_DIR || S_ISDIR(mode)) {
        return 2;
    }
    return entry->d_type == DT_REG || S_ISREG(mode) ? 1 : 0;
}

static bool is_dot_or_dotdot(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Read all names of dir. Entries that cannot be looked at are reported by what they would be
 * called, a directory that cannot be read to its end by its own path. */
static int read_names(struct walk *w, DIR *dir, size_t dir_len)
{
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        int read_err = errno;
        if (cconc_ctx_err(w->ctx) != 0) {
            return cconc_ctx_err(w->ctx);
        }
        if (!entry) {
            return read_err == 0 ? 0 : w->calls->error(w->calls->arg, w->path, read_err);
        }
        if (is_dot_or_dotdot(entry->d_name)) {
            continue;
        }
        int look_err = 0, err = 0;
        int kind = entry_kind(dirfd(dir), entry, &look_err);
        if (kind != 0) {
            err = add_name(w, entry->d_name, kind == 2);
        } else if (look_err != 0) {
            strcpy(w->path + dir_len, entry->d_name);
            err = w->calls->error(w->calls->arg, w->path, look_err);
            w->path[dir_len] = '\0';
        }
        if (err != 0) {
            return err;
        }
    }
}

/* Open the directory that w->path names, read and sort its names, and make it the current level. */
static int enter_directory(struct walk *w, size_t path_len)
{
    void *levels = w->levels;
    int err = reserve(&levels, &w->levels_cap, w->levels_len, 1, sizeof *w->levels);
    w->levels = levels;
    if (err == 0 && w->calls->before_directory) {
        err = w->calls->before_directory(w->calls->arg);
    }
    if (err != 0) {
        return err;
    }
    int fd = open(w->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        err = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return w->calls->error(w->calls->arg, w->path, err);
    }
    if (w->path[path_len - 1] != '/') {
        w->path[path_len++] = '/';
        w->path[path_len] = '\0';
    }
    w->levels[w->levels_len++] = (struct level){path_len, w->text_len, w->names_len, w->names_len};
    err = read_names(w, dir, path_len);
    (void)closedir(dir);
    return err != 0 ? err : sort_names(w, w->levels[w->levels_len - 1].name_start);
}

/* Visit the next entry of the current level, or leave the level if there is none. */
static int visit_next(struct walk *w)
{
    struct level *level = &w->levels[w->levels_len - 1];
    if (level->name_next == w->names_len) {
        w->text_len = level->text_start;
        w->names_len = level->name_start;
        w->levels_len--;
        return 0;
    }
    const char *name = w->text + w->names[level->name_next++];
    size_t name_len = strlen(name);
    memcpy(w->path + level->dir_len, name, name_len + 1);
    size_t path_len = level->dir_len + name_len;
    if (w->path[path_len - 1] != '/') {
        return w->calls->file(w->calls->arg, w->path);
    }
    w->path[--path_len] = '\0';
    return enter_directory(w, path_len);
}

/* Look at root, which is spelled as the user spelled it. */
static int visit_root(struct walk *w, const char *root)
{
    struct stat status;
    if (lstat(root, &status) != 0) {
        return w->calls->error(w->calls->arg, root, errno);
    }
    size_t len = strlen(root); /* below PATH_MAX, or lstat would have failed */
    memcpy(w->path, root, len + 1);
    if (S_ISDIR(status.st_mode)) {
        return enter_directory(w, len);
    }
    return S_ISREG(status.st_mode) ? w->calls->file(w->calls->arg, root) : 0;
}

int walk_tree(cconc_ctx *ctx, const char *root, const struct walk_calls *calls)
{
    struct walk *w = calloc(1, sizeof *w);
    if (!w) {
        return ENOMEM;
    }
    w->ctx = ctx;
    w->calls = calls;
    int err = visit_root(w, root);
    while (err == 0 && w->levels_len > 0) {
        err = cconc_ctx_err(ctx);
        if (err == 0) {
            err = visit_next(w);
        }
    }
    free(w->levels);
    free(w->scratch);
    free(w->names);
    free(w->text);
    free(w);
    return err;
}
