/* memory.c - the library's memory under the tester: every block keeps its place until the execution
 * ends, so that a use after the end is seen.
 * SPDX-License-Identifier: MIT
 */
#include "engine.h"

#include "plat/alloc.h"

#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
void __asan_poison_memory_region(const volatile void *address, size_t size);
void __asan_unpoison_memory_region(const volatile void *address, size_t size);
#else
static void __asan_poison_memory_region(const volatile void *address, size_t size)
{
    (void)address;
    (void)size;
}
static void __asan_unpoison_memory_region(const volatile void *address, size_t size)
{
    (void)address;
    (void)size;
}
#endif

enum {
    ARENA_BYTES = 64 * 1024 * 1024,
    GRANULE = 16,
    MAX_BLOCKS = 65536,
    MAX_MUTEXES = 4096,
    GONE = 0xDD, /* what a block is filled with when it goes */
};

typedef enum granule { GRANULE_NONE, GRANULE_LIVE, GRANULE_GONE } granule;

typedef struct block {
    char  *at;
    size_t size;
    const void *site;
    bool   is_gone;
    bool   is_scenarios; /* it need not be given back */
} block;

static char *arena;
static size_t used;
static unsigned char *granules; /* one for each 16 bytes of the arena */
static block *blocks;
static uint32_t block_count;
static size_t live; /* blocks of the library's */
static const char *mutexes[MAX_MUTEXES]; /* live ones in blocks, condition variables, too */
static uint32_t mutex_count;

static void *reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        abort();
    }
    return at;
}

void memory_init(void)
{
    arena = reserve(ARENA_BYTES);
    granules = reserve(ARENA_BYTES / GRANULE);
    blocks = reserve(sizeof(block) * MAX_BLOCKS);
    __asan_poison_memory_region(arena, ARENA_BYTES);
}

void memory_reset(void)
{
    raw_fill(granules, GRANULE_NONE, used / GRANULE + 1);
    __asan_poison_memory_region(arena, used);
    used = 0;
    block_count = 0;
    mutex_count = 0;
    live = 0;
}

static void *block_new(size_t size, bool is_scenarios, const void *site)
{
    /* Sizes are rounded to lines, and a granule lies between two blocks. */
    size_t rounded = (size + 63) & ~(size_t)63;
    block *b = &blocks[block_count];
    if (size > ARENA_BYTES || used + rounded + 64 > ARENA_BYTES || block_count == MAX_BLOCKS) {
        if (is_scenarios) {
            model_fail(MODEL_WRONG, "the tester's memory is used up");
        }
        return NULL;
    }
    *b = (block){arena + used, size, site, false, is_scenarios};
    block_count++;
    used += rounded + 64;
    __asan_unpoison_memory_region(b->at, size);
    memset(b->at, 0, size);
    raw_fill(granules + (size_t)(b->at - arena) / GRANULE, GRANULE_LIVE,
             (size + GRANULE - 1) / GRANULE);
    return b->at;
}

static block *block_of(const volatile void *address)
{
    const char *at = (const char *)(uintptr_t)address;
    for (uint32_t i = block_count; i > 0; i--) {
        if (at >= blocks[i - 1].at && at < blocks[i - 1].at + blocks[i - 1].size) {
            return &blocks[i - 1];
        }
    }
    return NULL;
}

void memory_note_mutex(const void *mutex, bool is_live)
{
    const char *at = mutex;
    uint32_t i = 0;
    if (at < arena || at >= arena + ARENA_BYTES) {
        return;
    }
    while (i < mutex_count && mutexes[i] != at) {
        i++;
    }
    if (is_live && i == mutex_count && mutex_count < MAX_MUTEXES) {
        mutexes[mutex_count++] = at;
    } else if (!is_live && i < mutex_count) {
        mutexes[i] = mutexes[--mutex_count];
    }
}

static void mutexes_must_be_gone(const block *b)
{
    for (uint32_t i = 0; i < mutex_count; i++) {
        if (mutexes[i] >= b->at && mutexes[i] < b->at + b->size) {
            model_fail(MODEL_LEAK, "memory goes in which a mutex or a condition variable lives");
        }
    }
}

static void block_gone(void *memory)
{
    block *b = block_of(memory);
    if (!b || b->at != memory) {
        model_fail(MODEL_USE_AFTER, "what is given back was never given: %p", memory);
    }
    if (b->is_gone) {
        model_fail(MODEL_USE_AFTER, "memory is given back twice, %zu bytes", b->size);
    }
    mutexes_must_be_gone(b);
    b->is_gone = true;
    memset(b->at, GONE, b->size);
    raw_fill(granules + (size_t)(b->at - arena) / GRANULE, GRANULE_GONE,
             (b->size + GRANULE - 1) / GRANULE);
    __asan_poison_memory_region(b->at, b->size);
}

void memory_check_live(const volatile void *address, const char *what)
{
    const char *at = (const char *)(uintptr_t)address;
    const fiber *f;
    if (at >= arena && at < arena + ARENA_BYTES) {
        unsigned char state = granules[(size_t)(at - arena) / GRANULE];
        if (state != GRANULE_LIVE) {
            model_fail(MODEL_USE_AFTER, "%s of memory that %s", what,
                       state == GRANULE_GONE ? "was given back" : "is nobody's");
        }
        return;
    }
    f = fiber_with(address);
    if (f && f != model.current && (f->is_over || at < (const char *)f->sp)) {
        model_fail(MODEL_USE_AFTER, "%s of a frame of %s that has returned", what, f->name);
    }
}

/* Nobody has written to what was given back; the library has given everything back. */
void memory_check_end(void)
{
    for (uint32_t i = 0; i < block_count; i++) {
        const block *b = &blocks[i];
        if (!b->is_gone && !b->is_scenarios) {
            model_fail(MODEL_LEAK, "%zu bytes are not given back, block %u", b->size, (unsigned)i);
        }
#if !defined(__SANITIZE_ADDRESS__)
        if (b->is_gone && (b->at[0] != (char)GONE || memcmp(b->at, b->at + 1, b->size - 1) != 0)) {
            model_fail(MODEL_USE_AFTER, "%zu bytes, block %u, were written to after they went",
                       b->size, (unsigned)i);
        }
#endif
    }
}

size_t memory_live(void)
{
    return live;
}

void *cconc__alloc(size_t size)
{
    void *memory;
    calls_check_held("allocates");
    /* A wait on a thread of the library may make another one; it goes on where it cannot. */
    if ((model.current->rules & MODEL_NEVER_ALLOCATES) && !model.current->is_library) {
        model_fail(MODEL_RULE, "%s allocates", model.current->call);
    }
    if (strategy_fault(MODEL_NO_MEMORY)) {
        return NULL;
    }
    memory = block_new(size ? size : 1, false, __builtin_return_address(0));
    live += memory ? 1 : 0;
    return memory;
}

void cconc__alloc_free(void *memory)
{
    if (memory) {
        calls_check_held("gives memory back");
        block_gone(memory);
        live--;
    }
}

int cconc__alloc_choose(void *(*alloc_fn)(size_t size, void *user),
                        void (*free_fn)(void *memory, void *user), void *user)
{
    (void)alloc_fn;
    (void)free_fn;
    (void)user;
    return EBUSY;
}

void *model_zalloc(size_t size)
{
    return block_new(size ? size : 1, true, __builtin_return_address(0));
}

void model_free(void *memory)
{
    if (memory) {
        block_gone(memory);
    }
}
