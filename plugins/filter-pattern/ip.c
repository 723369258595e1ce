/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses out of text: nothing is looked up. */
#include "ip.h"
#include <arpa/inet.h>
#include <string.h>

enum { V4_BYTES_MAX = 15, V6_BYTES_MAX = 39, V4_BITS = 32, V6_BITS = 128 };

static bool parse_v4(const char *text, size_t length, struct ip *ret_ip)
{
    if (length > V4_BYTES_MAX)
        return false;
    uint32_t address = 0, part = 0;
    int parts = 0, digits = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && text[i] >= '0' && text[i] <= '9') {
            part = part * 10 + (uint32_t)(text[i] - '0');
            digits++;
            if (part > 255)
                return false;
        } else if ((i == length || text[i] == '.') && digits && parts < 4) {
            address = address << 8 | part;
            part = 0;
            digits = 0;
            parts++;
        } else {
            return false;
        }
    }
    if (parts != 4)
        return false;
    *ret_ip = (struct ip){.low = address};
    return true;
}

static bool parse_v6(const char *text, size_t length, struct ip *ret_ip)
{
    char copy[V6_BYTES_MAX + 1];
    unsigned char bytes[16];
    if (length > V6_BYTES_MAX || memchr(text, '.', length))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET6, copy, bytes) != 1)
        return false;
    struct ip ip = {.v6 = true};
    for (int i = 0; i < 8; i++) {
        ip.high = ip.high << 8 | bytes[i];
        ip.low = ip.low << 8 | bytes[8 + i];
    }
    if (ip.high == 0 && ip.low >> 32 == 0xffff)
        ip = (struct ip){.low = ip.low & 0xffffffff};
    *ret_ip = ip;
    return true;
}

bool ip_parse(const char *text, size_t length, struct ip *ret_ip)
{
    if (!length)
        return false;
    if (memchr(text, ':', length))
        return parse_v6(text, length, ret_ip);
    return parse_v4(text, length, ret_ip);
}

static bool parse_bits(const char *text, size_t length, int *ret_bits)
{
    int bits = 0;
    if (!length || length > 3)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        bits = bits * 10 + (text[i] - '0');
    }
    *ret_bits = bits;
    return true;
}

static uint64_t low_ones(int count)
{
    return count <= 0 ? 0 : count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

const char *ip_parse_cidr(const char *text, size_t length, struct ip_range *ret_range)
{
    const char *slash = memchr(text, '/', length);
    size_t before = slash ? (size_t)(slash - text) : 0;
    int bits;
    struct ip ip;
    if (!slash || memchr(slash + 1, '/', length - before - 1))
        return "a block is an address, one / and a number of bits, as 10.0.0.0/24";
    if (!parse_bits(slash + 1, length - before - 1, &bits))
        return "behind the / comes a whole number of bits";
    if (!ip_parse(text, before, &ip))
        return "before the / comes an IPv4 or IPv6 address";
    if (bits >= (ip.v6 ? V6_BITS : V4_BITS))
        return ip.v6 ? "IPv6 blocks have 0 to 127 bits" : "IPv4 blocks have 0 to 31 bits";
    int free_bits = (ip.v6 ? V6_BITS : V4_BITS) - bits;
    *ret_range = (struct ip_range){.first = ip, .last = ip};
    ret_range->first.low &= ~low_ones(free_bits);
    ret_range->first.high &= ~low_ones(free_bits - 64);
    ret_range->last.low |= low_ones(free_bits);
    ret_range->last.high |= low_ones(free_bits - 64);
    return NULL;
}

int ip_compare(const struct ip *a, const struct ip *b)
{
    if (a->v6 != b->v6)
        return a->v6 ? 1 : -1;
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return a->low < b->low ? -1 : a->low > b->low;
}
