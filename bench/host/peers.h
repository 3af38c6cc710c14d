/* Loading other allocators into this program. */
#ifndef BENCH_HOST_PEERS_H
#define BENCH_HOST_PEERS_H

/* First of all: starts the program anew, once, with room for what they have
 * for each thread.  Where that fails it goes on without. */
void peers_make_room(char **argv);

#endif
