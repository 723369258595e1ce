/* SPDX-License-Identifier: Apache-2.0 */
/* Units of measurement, and what turns a number of one into a number of another. */
#pragma once
#include "meshgate/plugin.h"

/* (number * multiply + add) / divide.  Whole factors wherever they fit a double exactly, so that 68
 * °F are 20 °C and not 20.000000000000004. */
struct unit_change {
    double multiply, add, divide;
};
/* -EINVAL: a unit is not known, or the two measure different things; reterr says which.
 * *ret_second: it is `to` that is at fault. */
int unit_change(const char *from, const char *to, struct unit_change *ret_change, bool *ret_second,
                struct mg_err *reterr);
