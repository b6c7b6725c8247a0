/* console.c - standard error: messages, and a progress bar that they do not tear
 * SPDX-License-Identifier: MIT
 */
#include "treesum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_COLUMNS 80
#define MAX_COLUMNS 200

void console_init(struct console *console, bool wants_bar)
{
    const char *term = getenv("TERM");
    bool can_erase = term && strcmp(term, "dumb") != 0;
    console->bar = wants_bar && can_erase && isatty(STDERR_FILENO) == 1;
}

void console_pause(struct console *console)
{
    (void)pthread_mutex_lock(&console->mu);
    if (console->bar_shown) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        console->bar_shown = false;
    }
}

void console_resume(struct console *console)
{
    (void)pthread_mutex_unlock(&console->mu);
}

/* Names come from strangers: no control character of theirs reaches the terminal. */
static void put_visible(const char *text)
{
    for (const char *from = text; *from; from++) {
        unsigned char c = (unsigned char)*from;
        if (c < ' ' || c == 127) {
            (void)fprintf(stderr, "\\%03o", c);
        } else {
            (void)fputc(c, stderr);
        }
    }
}

void console_message(struct console *console, const char *text, const char *reason)
{
    console_pause(console);
    (void)fputs("treesum: ", stderr);
    put_visible(text);
    if (reason) {
        (void)fprintf(stderr, ": %s", reason);
    }
    (void)fputc('\n', stderr);
    (void)fflush(stderr);
    console_resume(console);
}

static size_t terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return DEFAULT_COLUMNS;
    }
    return size.ws_col < MAX_COLUMNS ? size.ws_col : MAX_COLUMNS;
}

void console_draw(struct console *console, const struct run *run)
{
    char line[MAX_COLUMNS + 1];
    progress_line(run, terminal_columns() - 1, line, sizeof line);
    (void)pthread_mutex_lock(&console->mu);
    (void)fprintf(stderr, "\r%s\033[K", line);
    (void)fflush(stderr);
    console->bar_shown = true;
    (void)pthread_mutex_unlock(&console->mu);
}
