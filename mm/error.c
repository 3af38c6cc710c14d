/* The errors of mm/ in words. */
#include "mm/error.h"

#include <stddef.h>

static const struct {
    const char *name, *text;
} errors[] = {
#define MM_ERROR_ENTRY(name, sentence) {#name, sentence},
    MM_ERRORS(MM_ERROR_ENTRY)
#undef MM_ERROR_ENTRY
};

#define ERROR_COUNT (sizeof(errors) / sizeof(errors[0]))

const char *mm_error_name(enum mm_error error)
{
    return (size_t)error < ERROR_COUNT ? errors[error].name : "MM_UNKNOWN";
}

const char *mm_error_text(enum mm_error error)
{
    return (size_t)error < ERROR_COUNT ? errors[error].text
                                       : "not an error of mm/";
}
