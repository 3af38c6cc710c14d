/* Frames that go back where nobody could be told a "no" any more: their pages
 * are unmapped by then.
 *
 * frame_free answers MM_BUSY if another CPU does not leave its own frame call,
 * or if a handler has freed more than is noted for the call that it
 * interrupted.  Then the frame waits, and so do all others of its kind, in a
 * list that is linked through them: so it is never full, and nothing is lost.
 */
#ifndef MM_SPACE_GIVE_BACK_H
#define MM_SPACE_GIVE_BACK_H

#include "mm/address.h"
#include "mm/error.h"

/* Frees a frame now or, if frame_free answers MM_BUSY, by a later call of one
 * of these two; the caller may not use it any more.  Other errors are those of
 * frame_free.  Any context, after frame_init. */
enum mm_error give_back(paddr_t frame) __attribute__((warn_unused_result));

/* Frees the frames that wait, as far as that can be done now. */
void give_back_waiting(void);

#endif
