/* printf for any sink: see lib/format.h. */
#include "lib/format.h"

#include <stdbool.h>
#include <stdint.h>

#include "lib/string.h"

struct conversion {
    bool left, zeros;
    int width, precision; /* -1: not given */
    int length;           /* 0 int, 1 long, 2 long long; < 0: short or char */
};

static void put_padding(struct format_sink *sink, char c, int count)
{
    while (count-- > 0)
        sink->put(sink, c);
}

static void put_text(struct format_sink *sink, const char *text, int length,
                     const struct conversion *conversion)
{
    int padding = conversion->width - length;
    if (!conversion->left)
        put_padding(sink, ' ', padding);
    for (int i = 0; i < length; i++)
        sink->put(sink, text[i]);
    if (conversion->left)
        put_padding(sink, ' ', padding);
}

static void put_number(struct format_sink *sink, uint64_t value, unsigned base,
                       const char *prefix, bool capitals,
                       const struct conversion *conversion)
{
    char digits[24]; /* prefix and 20 decimal digits */
    int length = 0;
    const char *alphabet = capitals ? "0123456789ABCDEF" : "0123456789abcdef";
    do
        digits[sizeof(digits) - 1 - (size_t)length++] = alphabet[value % base];
    while ((value /= base) != 0);

    int padding = conversion->width - length - (int)strlen(prefix);
    bool zeros = conversion->zeros && !conversion->left;
    if (!conversion->left && !zeros)
        put_padding(sink, ' ', padding);
    while (*prefix != '\0')
        sink->put(sink, *prefix++);
    if (zeros)
        put_padding(sink, '0', padding);
    for (int i = length; i > 0; i--)
        sink->put(sink, digits[sizeof(digits) - (size_t)i]);
    if (conversion->left)
        put_padding(sink, ' ', padding);
}

/* A va_list in a struct, so that a function can advance its caller's. */
struct arguments {
    va_list list;
};

static int64_t signed_argument(struct arguments *arguments, int length)
{
    if (length >= 1)
        return va_arg(arguments->list, long);
    int value = va_arg(arguments->list, int);
    if (length == -1)
        return (short)value;
    if (length == -2)
        return (signed char)value;
    return value;
}

static uint64_t unsigned_argument(struct arguments *arguments, int length)
{
    if (length >= 1)
        return va_arg(arguments->list, unsigned long);
    unsigned value = va_arg(arguments->list, unsigned);
    if (length == -1)
        return (unsigned short)value;
    if (length == -2)
        return (unsigned char)value;
    return value;
}

static int parse_number(const char **format, struct arguments *arguments)
{
    if (**format == '*') {
        ++*format;
        return va_arg(arguments->list, int);
    }
    int number = 0;
    while (**format >= '0' && **format <= '9' && number < 1000)
        number = number * 10 + (*(*format)++ - '0');
    return number;
}

static const char *parse_conversion(const char *format,
                                    struct conversion *conversion,
                                    struct arguments *arguments)
{
    *conversion = (struct conversion){.precision = -1};
    for (;; format++) {
        if (*format == '-')
            conversion->left = true;
        else if (*format == '0')
            conversion->zeros = true;
        else
            break;
    }
    conversion->width = parse_number(&format, arguments);
    if (conversion->width < 0) {
        conversion->left = true;
        conversion->width = -conversion->width;
    }
    if (*format == '.') {
        format++;
        conversion->precision = parse_number(&format, arguments);
    }
    for (;; format++) {
        if (*format == 'l' || *format == 'z' || *format == 'j' ||
            *format == 't')
            conversion->length++;
        else if (*format == 'h')
            conversion->length--;
        else
            break;
    }
    return format;
}

static void put_string(struct format_sink *sink, const char *text,
                       const struct conversion *conversion)
{
    if (text == NULL)
        text = "(null)";
    size_t most =
        conversion->precision < 0 ? INT32_MAX : (size_t)conversion->precision;
    put_text(sink, text, (int)strnlen(text, most), conversion);
}

/* Prints one conversion; false if it is unknown. */
static bool put_conversion(struct format_sink *sink, char kind,
                           struct conversion *conversion,
                           struct arguments *arguments)
{
    switch (kind) {
    case 'd':
    case 'i': {
        int64_t value = signed_argument(arguments, conversion->length);
        uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
        put_number(sink, magnitude, 10, value < 0 ? "-" : "", false,
                   conversion);
        return true;
    }
    case 'u':
        put_number(sink, unsigned_argument(arguments, conversion->length), 10,
                   "", false, conversion);
        return true;
    case 'x':
    case 'X':
        put_number(sink, unsigned_argument(arguments, conversion->length), 16,
                   "", kind == 'X', conversion);
        return true;
    case 'p':
        put_number(sink, (uintptr_t)va_arg(arguments->list, void *), 16, "0x",
                   false, conversion);
        return true;
    case 'c': {
        char c = (char)va_arg(arguments->list, int);
        put_text(sink, &c, 1, conversion);
        return true;
    }
    case 's':
        put_string(sink, va_arg(arguments->list, const char *), conversion);
        return true;
    case '%':
        sink->put(sink, '%');
        return true;
    default:
        return false;
    }
}

void format_to(struct format_sink *sink, const char *format, va_list list)
{
    struct arguments arguments;
    va_copy(arguments.list, list);
    while (*format != '\0') {
        if (*format != '%') {
            sink->put(sink, *format++);
            continue;
        }
        struct conversion conversion;
        const char *kind =
            parse_conversion(format + 1, &conversion, &arguments);
        if (put_conversion(sink, *kind, &conversion, &arguments))
            format = kind + 1;
        else
            sink->put(sink, *format++);
    }
    va_end(arguments.list);
}

struct buffer_sink {
    struct format_sink sink;
    char *buffer;
    size_t size, length;
};

static void buffer_put(struct format_sink *sink, char c)
{
    struct buffer_sink *buffer = (struct buffer_sink *)sink;
    if (buffer->length + 1 < buffer->size)
        buffer->buffer[buffer->length] = c;
    buffer->length++;
}

size_t format_string_v(char *buffer, size_t size, const char *format,
                       va_list arguments)
{
    struct buffer_sink sink = {{buffer_put}, buffer, size, 0};
    format_to(&sink.sink, format, arguments);
    if (size > 0)
        buffer[sink.length < size ? sink.length : size - 1] = '\0';
    return sink.length;
}

size_t format_string(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_string_v(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}
