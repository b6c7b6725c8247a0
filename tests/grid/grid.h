/* grid.h - what the grid of bad input is made of: values of a type, arguments, calls.
 * SPDX-License-Identifier: MIT
 *
 * generate.py writes grid_functions[] from the prototypes and contracts of the public headers. For
 * each type of parameter a recipe (recipes_*.c) has a grid_kind of that name: its values, how one
 * is made for a call, whether the object still works after it, and how it is released. The last
 * value of a kind is the usual one.
 */
#ifndef CCONC_TESTS_GRID_H
#define CCONC_TESTS_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cconc/cconc.h>
#include <cconc/static.h>

#define GRID_MOST_PARAMETERS 8
#define GRID_ROOM 768      /* bytes that an output, options or storage of an object may have */
#define GRID_FAILED EPROTO /* what a callback of ours returns when it fails */

typedef struct grid_call grid_call;
typedef struct grid_arg grid_arg;

typedef enum grid_sort {
    GRID_RIGHT,
    GRID_NULL,       /* misuse "of NULL" may be told */
    GRID_MISALIGNED, /* misuse "of a misaligned pointer" must be told, or "of NULL" of another */
    GRID_REFUSED,    /* the call must return EINVAL */
} grid_sort;

typedef struct grid_value {
    const char *name;
    grid_sort sort;
} grid_value;

typedef struct grid_kind {
    const grid_value *values;
    size_t count;
    void (*make)(grid_call *call, grid_arg *arg); /* sets what the call is given */
    bool (*works)(grid_arg *arg);                 /* NULL, or asked if the call left the object */
    void (*release)(grid_call *call, grid_arg *arg); /* NULL, or called last */
    bool is_output;                                  /* untouched unless the code is 0 */
    const void *variants;                            /* of options, in order of values from 2 on */
    size_t variant_size;
} grid_kind;

/* One argument of one call. */
struct grid_arg {
    const grid_kind *kind;
    size_t pick;   /* index of the value */
    bool is_taken; /* the object is gone with the call */
    void *pointer; /* the value, by type */
    int64_t integer;
    size_t size;
    double number;
    void (*function)(void);
    void *held[2]; /* what the recipe releases */
    union {
        unsigned char bytes[GRID_ROOM];
        max_align_t align;
    } room; /* an output, or memory of the caller's that is an object */
};

typedef struct grid_parameter {
    const char *name;
    const grid_kind *kind;
    bool is_count;    /* written whatever the code is */
    bool may_be_null; /* the headers have a word on it; else NULL must be told as misuse */
} grid_parameter;

typedef struct grid_function {
    const char *name;
    const grid_parameter *parameters;
    size_t count;
    void (*run)(grid_call *call);
    const int *codes; /* those of the contract; NULL if it returns none */
    size_t code_count;
    bool takes; /* it releases its first argument */
    bool takes_if_0;
    void (*after)(grid_call *call); /* NULL, or undoes what the call did besides */
    bool never_allocates;           /* says its page of the manual */
} grid_function;

struct grid_call {
    const grid_function *function;
    grid_arg args[GRID_MOST_PARAMETERS];
    bool has_returned; /* else it has been told as misuse */
    int code;          /* what it returned, 0 if that is no code */
    void *result;      /* what it returned, if that is a pointer */
};

extern const grid_function grid_functions[];
extern const size_t grid_function_count;
extern const char *const grid_messages[]; /* patterns of all misuse messages */
extern const size_t grid_message_count;

/* An address at which nothing is aligned, in memory of zeros. */
extern unsigned char grid_astray[];

/* Tell whether parameter of call has the value of this name. */
bool grid_has(const grid_call *call, const char *parameter, const char *value);

/* Tell whether the arguments of call lie in a way that no library can see. */
bool grid_lies(const grid_call *call);

/* The values of most objects: NULL, misaligned, usual. */
#define GRID_OBJECT_VALUES 3
extern const grid_value grid_object_values[];

/* Give arg NULL or a misaligned pointer if its value says so. Returns false if it is right. */
bool grid_make_bad(grid_arg *arg);

/* Let an argument be memory of the call's own; the variant of an options struct. */
void grid_make_room(grid_call *call, grid_arg *arg);
void grid_make_variant(grid_call *call, grid_arg *arg);

/* An output of a new object, which release_fn releases. */
#define GRID_OUT(name, release_fn)                                                                 \
    static void out_##name##_release(grid_call *call, grid_arg *arg)                               \
    {                                                                                              \
        if (arg->pointer && call->has_returned && call->code == 0) {                               \
            release_fn(*(cconc_##name **)arg->pointer);                                            \
        }                                                                                          \
    }                                                                                              \
    const grid_kind grid_out_##name = {grid_object_values,                                         \
                                       GRID_OBJECT_VALUES,                                         \
                                       grid_make_room,                                             \
                                       NULL,                                                       \
                                       out_##name##_release,                                       \
                                       true,                                                       \
                                       NULL,                                                       \
                                       0}

/* A context that ends in 1 ms, to be freed. */
cconc_ctx *grid_soon(void);

/* Callbacks. */
int grid_task(cconc_ctx *ctx, void *arg);
int grid_make_value(cconc_ctx *ctx, void *arg, void **out_value);
void grid_nothing(void *arg);
void grid_drop(void *elem, void *user);
int grid_create(void *user, void **out_object);
int grid_reset(void *user, void *object);
void grid_destroy_object(void *user, void *object);
size_t grid_size_of(void *user, void *object);
void grid_on_drop(void *user, cconc_task_fn fn, void *arg);
void grid_on_error(void *user, cconc_task_fn fn, void *arg, int code);

#endif
