/* The errors of mm/: one list, each with a name and a sentence. */
#ifndef MM_ERROR_H
#define MM_ERROR_H

#define MM_ERRORS(X)                                                           \
    X(MM_OK, "no error")                                                       \
    X(MM_NOT_READY, "called before its init")                                  \
    X(MM_BAD_ARGUMENT, "an argument outside its documented values")            \
    X(MM_OUT_OF_MEMORY, "no memory of the kind asked for is free")             \
    X(MM_TABLE_FULL, "a table of fixed size has no entry left")                \
    X(MM_EMPTY_RANGE, "a range of length 0")                                   \
    X(MM_RANGE_WRAPS, "a range that runs past the last address")               \
    X(MM_OUT_OF_RANGE, "an address beyond all memory that is managed")         \
    X(MM_MISALIGNED, "an address or size off its alignment")                   \
    X(MM_RESERVED, "memory that is reserved and never was handed out")         \
    X(MM_NOT_HELD, "a frame that is free: freed twice, or never allocated")    \
    X(MM_INSIDE_LARGER, "an address inside a larger frame, not its start")     \
    X(MM_NON_CANONICAL, "a virtual address that is not canonical")             \
    X(MM_ALREADY_MAPPED, "a page that is mapped already")                      \
    X(MM_NOT_MAPPED, "a page that is not mapped")                              \
    X(MM_BAD_ALIGNMENT, "an alignment that is no power of two, or too large")  \
    X(MM_TOO_SMALL, "a range too small for what it is to hold")                \
    X(MM_OVERLAP, "a range that overlaps another one in use")                  \
    X(MM_BUSY, "a handler that must not wait; or a CPU that does not answer")  \
    X(MM_NOT_FREE, "memory of which a part is held")                           \
    X(MM_STILL_HELD, "a frame that is held: it is taken when it is freed")

enum mm_error {
#define MM_ERROR_ENUM(name, sentence) name,
    MM_ERRORS(MM_ERROR_ENUM)
#undef MM_ERROR_ENUM
};

/* The name of an error ("MM_MISALIGNED"), and its sentence.  Every value has an
 * answer, also one that is no error of the list.  Both strings live for ever.
 */
const char *mm_error_name(enum mm_error error);
const char *mm_error_text(enum mm_error error);

#endif
