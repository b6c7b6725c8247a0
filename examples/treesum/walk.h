/* walk.h - the sorted walk over a directory tree.
 * SPDX-License-Identifier: MIT
 */
#ifndef WALK_H
#define WALK_H

#include <limits.h>

#include <cconc/cconc.h>

/* Room for any path of the walk with its zero byte: a directory that can be opened, and a name. */
#define WALK_PATH_SIZE (PATH_MAX + NAME_MAX + 2)

/* What the walk calls, one path at a time; a result other than 0 ends it. */
struct walk_calls {
    /* A directory is about to be read, which may take long. NULL if that is of no interest. */
    int (*before_directory)(void *arg);
    /* path is a regular file. */
    int (*file)(void *arg, const char *path);
    /* path could not be looked at, or not be read to its end: err is an errno value. */
    int (*error)(void *arg, const char *path, int err);
    void *arg;
};

/* Call calls->file for every regular file below root, in the byte order of their paths, and follow
 * no symbolic link. Paths are spelled as find spells them. root may be a file itself.
 * Returns:  0, the result of a call that was not 0, the code of ctx, ENOMEM. */
int walk_tree(cconc_ctx *ctx, const char *root, const struct walk_calls *calls);

#endif
