/* SPDX-License-Identifier: Apache-2.0 */
/* A table of units as exact fractions of one unit for each thing that is measured.
 *
 * Factors: the SI brochure (BIPM, 9th edition, 2019) for prefixes and for units accepted beside the
 * SI; NIST Special Publication 811 (2008), appendix B, for all others, where those in bold are
 * exact by definition; inch, pound and gallon by the agreement of 1959 (25.4 mm, 0.45359237 kg, 231
 * in³). */
#include "units.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum thing {
    TEMPERATURE,
    LENGTH,
    PRESSURE,
    SPEED,
    MASS,
    ENERGY,
    POWER,
    VOLUME,
    FLOW,
    ANGLE,
    TIME,
    DATA,
    RATIO,
    FREQUENCY,
    VOLTAGE,
    CURRENT,
};
static const char *const things[] = {[TEMPERATURE] = "a temperature",
                                     [LENGTH] = "a length",
                                     [PRESSURE] = "a pressure",
                                     [SPEED] = "a speed",
                                     [MASS] = "a mass",
                                     [ENERGY] = "an energy",
                                     [POWER] = "a power",
                                     [VOLUME] = "a volume",
                                     [FLOW] = "a flow",
                                     [ANGLE] = "an angle",
                                     [TIME] = "a time",
                                     [DATA] = "an amount of data",
                                     [RATIO] = "a ratio",
                                     [FREQUENCY] = "a frequency",
                                     [VOLTAGE] = "a voltage",
                                     [CURRENT] = "a current"};

/* One of it is over/under of its thing's first unit; a temperature's zero lies zero_over/zero_under
 * above that one's.  pi: the power of π that belongs to the factor. */
struct unit {
    const char *names; /* between spaces */
    enum thing thing;
    int64_t over, under;
    bool prefixes; /* takes those of the SI */
    int pi;
    int64_t zero_over, zero_under;
};
static const struct unit units[] = {
    {" K kelvin ", TEMPERATURE, 1, 1},
    {" °C C degC celsius ", TEMPERATURE, 1, 1, .zero_over = 27315, .zero_under = 100},
    {" °F F degF fahrenheit ", TEMPERATURE, 5, 9, .zero_over = 45967, .zero_under = 180},
    {" °R R rankine ", TEMPERATURE, 5, 9},
    {" m ", LENGTH, 1, 1, true},
    {" in inch ", LENGTH, 254, 10000},
    {" ft foot ", LENGTH, 3048, 10000},
    {" yd yard ", LENGTH, 9144, 10000},
    {" mi mile ", LENGTH, 1609344, 1000},
    {" nmi ", LENGTH, 1852, 1},
    {" Pa ", PRESSURE, 1, 1, true},
    {" bar ", PRESSURE, 100000, 1, true},
    {" atm ", PRESSURE, 101325, 1},
    {" psi ", PRESSURE, 44482216152605, 6451600000},
    {" mmHg ", PRESSURE, 133322387415, 1000000000},
    {" inHg ", PRESSURE, 3386388640341, 1000000000},
    {" Torr ", PRESSURE, 101325, 760},
    {" m/s ", SPEED, 1, 1, true},
    {" km/h kph ", SPEED, 10, 36},
    {" mph mi/h ", SPEED, 44704, 100000},
    {" kn knot ", SPEED, 1852, 3600},
    {" ft/s ", SPEED, 3048, 10000},
    {" g ", MASS, 1, 1, true},
    {" t tonne ", MASS, 1000000, 1},
    {" lb ", MASS, 45359237, 100000},
    {" oz ", MASS, 45359237, 1600000},
    {" ton_us ", MASS, 90718474, 100},
    {" J ", ENERGY, 1, 1, true},
    {" Wh ", ENERGY, 3600, 1, true},
    {" cal ", ENERGY, 4184, 1000, true},
    {" BTU ", ENERGY, 105505585262, 100000000},
    {" W J/s ", POWER, 1, 1, true},
    {" hp ", POWER, 74569987158227022, 100000000000000},
    {" PS ", POWER, 73549875, 100000},
    {" BTU/h ", POWER, 105505585262, 360000000000},
    {" L l ", VOLUME, 1, 1, true},
    {" m³ m3 ", VOLUME, 1000, 1},
    {" cm³ cm3 ", VOLUME, 1, 1000},
    {" ft³ ft3 ", VOLUME, 28316846592, 1000000000},
    {" gal gal_us ", VOLUME, 3785411784, 1000000000},
    {" gal_uk ", VOLUME, 454609, 100000},
    {" L/s l/s ", FLOW, 1, 1, true},
    {" L/min l/min ", FLOW, 1, 60, true},
    {" L/h l/h ", FLOW, 1, 3600, true},
    {" m³/s m3/s ", FLOW, 1000, 1},
    {" m³/h m3/h ", FLOW, 1000, 3600},
    {" ft³/min ft3/min cfm ", FLOW, 28316846592, 60000000000},
    {" gal/min gpm ", FLOW, 3785411784, 60000000000},
    {" ° deg ", ANGLE, 1, 1},
    {" rad ", ANGLE, 180, 1, true, .pi = -1},
    {" gon ", ANGLE, 9, 10},
    {" turn ", ANGLE, 360, 1},
    {" arcmin ", ANGLE, 1, 60},
    {" arcsec ", ANGLE, 1, 3600},
    {" s ", TIME, 1, 1, true},
    {" min ", TIME, 60, 1},
    {" h ", TIME, 3600, 1},
    {" d ", TIME, 86400, 1},
    {" wk week ", TIME, 604800, 1},
    {" bit ", DATA, 1, 1, true},
    {" B byte ", DATA, 8, 1, true},
    {" Kibit ", DATA, 1024, 1},
    {" Mibit ", DATA, 1048576, 1},
    {" Gibit ", DATA, 1073741824, 1},
    {" KiB ", DATA, 8192, 1},
    {" MiB ", DATA, 8388608, 1},
    {" GiB ", DATA, 8589934592, 1},
    {" TiB ", DATA, 8796093022208, 1},
    {" 1 ratio ", RATIO, 1, 1},
    {" % percent ", RATIO, 1, 100},
    {" ‰ permille ", RATIO, 1, 1000},
    {" ppm ", RATIO, 1, 1000000},
    {" ppb ", RATIO, 1, 1000000000},
    {" Hz 1/s ", FREQUENCY, 1, 1, true},
    {" rpm 1/min ", FREQUENCY, 1, 60},
    {" V ", VOLTAGE, 1, 1, true},
    {" A ", CURRENT, 1, 1, true},
};
static const struct {
    const char *name;
    int power;
} prefixes[] = {{"n", -9}, {"µ", -6}, {"μ", -6}, {"u", -6}, {"m", -3}, {"c", -2},
                {"d", -1}, {"h", 2},  {"k", 3},  {"M", 6},  {"G", 9},  {"T", 12}};

/* ---- exact fractions ------------------------------------------------------------------------ */

__extension__ typedef __int128 wide;

struct fraction {
    wide over, under; /* of which under is above 0 */
};

static struct fraction reduced(wide over, wide under)
{
    wide a = over < 0 ? -over : over, b = under;
    while (b) {
        wide rest = a % b;
        a = b;
        b = rest;
    }
    return a ? (struct fraction){over / a, under / a} : (struct fraction){0, 1};
}

/* Both of numbers below 2^63 or so: no product overflows. */
static struct fraction times(struct fraction a, struct fraction b)
{
    struct fraction one = reduced(a.over, b.under), other = reduced(b.over, a.under);
    return (struct fraction){one.over * other.over, one.under * other.under};
}

/* ---- finding a unit ------------------------------------------------------------------------- */

static const struct unit *find(const char *name, bool prefixed)
{
    char wanted[32];
    if (!*name || strchr(name, ' ') ||
        (size_t)snprintf(wanted, sizeof wanted, " %s ", name) >= sizeof wanted)
        return NULL;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if ((!prefixed || units[i].prefixes) && strstr(units[i].names, wanted))
            return &units[i];
    return NULL;
}

static const struct unit *find_prefixed(const char *name, struct fraction *ret_factor)
{
    const struct unit *u = find(name, false);
    *ret_factor = (struct fraction){1, 1};
    for (size_t i = 0; !u && i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t n = strlen(prefixes[i].name);
        if (strncmp(name, prefixes[i].name, n) != 0 || !(u = find(name + n, true)))
            continue;
        for (int power = prefixes[i].power; power; power -= power > 0 ? 1 : -1)
            *(prefixes[i].power > 0 ? &ret_factor->over : &ret_factor->under) *= 10;
    }
    if (u)
        *ret_factor =
            times(reduced(ret_factor->over, ret_factor->under), reduced(u->over, u->under));
    return u;
}

static int unknown(const char *name, struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "the unit \"%.40s\" is not known (the README lists them)",
             name);
    return -EINVAL;
}

/* from = number * a.over/a.under + a's zero, of the thing's first unit; `to` the other way round.
 */
int unit_change(const char *from, const char *to, struct unit_change *ret_change, bool *ret_second,
                struct mg_err *reterr)
{
    struct fraction in, out;
    const struct unit *a = find_prefixed(from, &in), *b = find_prefixed(to, &out);
    *ret_second = a;
    if (!a || !b)
        return unknown(a ? to : from, reterr);
    if (a->thing != b->thing) {
        snprintf(reterr->text, sizeof reterr->text, "%.40s is %s, %.40s is %s", from,
                 things[a->thing], to, things[b->thing]);
        return -EINVAL;
    }
    struct fraction back = {out.under, out.over}, factor = times(in, back);
    double pi = 3.14159265358979323846;
    double multiply = (double)factor.over, divide = (double)factor.under, add = 0;
    if (a->zero_over || b->zero_over) {
        wide under_a = a->zero_under ? a->zero_under : 1,
             under_b = b->zero_under ? b->zero_under : 1;
        struct fraction zero =
            reduced(a->zero_over * under_b - b->zero_over * under_a, under_a * under_b);
        zero = times(zero, back); /* of the unit that comes out: put on the same denominator */
        wide scale = reduced(zero.under, factor.under).over;
        multiply = (double)(factor.over * scale);
        divide = (double)(factor.under * scale);
        add = (double)(zero.over * (factor.under * scale / zero.under));
    }
    if (a->pi - b->pi < 0)
        divide *= pi;
    if (a->pi - b->pi > 0)
        multiply *= pi;
    *ret_change = (struct unit_change){multiply, add, divide};
    return 0;
}
