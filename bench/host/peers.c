/* The allocators that Debian has, all in one process.
 *
 * Each is loaded with its symbols for itself alone, and with its own ones
 * before those of the program, so that what it calls of malloc's family is its
 * own, too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/heap_peers.h"
#include "bench/host/peers.h"

static void trim_glibc(void)
{
    malloc_trim(0);
}

/* jemalloc(3): 4096 is all arenas. */
static int (*jemalloc_control)(const char *, void *, size_t *, void *, size_t);

static void trim_jemalloc(void)
{
    if (jemalloc_control("arena.4096.purge", NULL, NULL, NULL, 0) != 0)
        fprintf(stderr, "bench: jemalloc does not purge\n");
}

static void (*mimalloc_collect)(bool force);

static void trim_mimalloc(void)
{
    mimalloc_collect(true);
}

static void (*tcmalloc_release)(void);

static void trim_tcmalloc(void)
{
    tcmalloc_release();
}

static const struct {
    const char *name, *file; /* no file: the C library of this program */
    void (*trim)(void);
    const char *symbol; /* that trim calls, and where its address goes */
    void *function;
} known[] = {
    {"glibc", NULL, trim_glibc, NULL, NULL},
    {"jemalloc", "libjemalloc.so.2", trim_jemalloc, "mallctl",
     &jemalloc_control},
    {"mimalloc", "libmimalloc.so.2.0", trim_mimalloc, "mi_collect",
     &mimalloc_collect},
    {"tcmalloc", "libtcmalloc_minimal.so.4", trim_tcmalloc,
     "MallocExtension_ReleaseFreeMemory", &tcmalloc_release},
};

#define KNOWN (sizeof(known) / sizeof(known[0]))

const char *heap_peer_name(unsigned number)
{
    return number < KNOWN ? known[number].name : NULL;
}

/* Whether a function is the library's own, and not what it would have called
 * had it not been there. */
static bool is_of(const void *function, const char *file)
{
    Dl_info info;
    if (function == NULL || dladdr(function, &info) == 0)
        return false;
    const char *slash = strrchr(info.dli_fname, '/');
    return strcmp(slash != NULL ? slash + 1 : info.dli_fname, file) == 0;
}

/* The address of the library's own function of this name.  POSIX: that of a
 * function fits in a pointer to an object. */
static bool find(void *library, const char *file, const char *name,
                 void *function)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof(found));
    return is_of(found, file);
}

static bool load(unsigned number, struct heap_peer *peer)
{
    const char *file = known[number].file;
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (library == NULL) {
        bench_cannot(strdup(dlerror()));
        return false;
    }
    bench_cannot("is not what its name says");
    return find(library, file, "malloc", &peer->malloc) &&
           find(library, file, "free", &peer->free) &&
           find(library, file, "realloc", &peer->realloc) &&
           find(library, file, known[number].symbol, known[number].function);
}

/* Loaded when it is first asked for, and then for good: what it has for each
 * thread cannot be unloaded. */
const struct heap_peer *heap_peer(unsigned number)
{
    static struct heap_peer peers[KNOWN];
    struct heap_peer *peer = &peers[number];
    if (peer->name != NULL)
        return peer;
    if (known[number].file == NULL)
        *peer = (struct heap_peer){NULL, malloc, free, realloc, NULL};
    else if (!load(number, peer))
        return NULL;
    peer->trim = known[number].trim;
    peer->name = known[number].name;
    return peer;
}

/* jemalloc's data of each thread lies where the loader must have left room from
 * the start.  The loader reads this before the program. */
void peers_make_room(char **argv)
{
    static const char variable[] = "GLIBC_TUNABLES";
    if (getenv(variable) != NULL)
        return;
    setenv(variable, "glibc.rtld.optional_static_tls=16384", 1);
    execv("/proc/self/exe", argv);
    perror("bench: /proc/self/exe");
}
