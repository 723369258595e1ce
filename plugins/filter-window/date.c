/* SPDX-License-Identifier: Apache-2.0 */
/* The Gregorian calendar. */
#include "zone.h"

enum { DAYS_OF_ERA = 146097 }; /* 400 years */

/* Both conversions count years from March, so that a leap day is a year's last one. */
struct date date_of_day(int64_t day)
{
    int64_t z = day + 719468, era = (z >= 0 ? z : z - (DAYS_OF_ERA - 1)) / DAYS_OF_ERA;
    int64_t in_era = z - era * DAYS_OF_ERA;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / (DAYS_OF_ERA - 1)) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int month = (int)((5 * in_year + 2) / 153); /* 0: March */
    return (struct date){
        .year = year + era * 400 + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = (int)(in_year - (153 * month + 2) / 5) + 1,
    };
}

int64_t day_of_date(struct date d)
{
    int64_t year = d.year - (d.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400, in_era = year - era * 400;
    int64_t in_year = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;
    return era * DAYS_OF_ERA + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

int days_of_month(int64_t year, int month)
{
    if (month == 2)
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

bool date_is_valid(struct date d)
{
    return d.month >= 1 && d.month <= 12 && d.day >= 1 && d.day <= days_of_month(d.year, d.month);
}

int weekday_of_day(int64_t day)
{
    int64_t since_sunday = (day + 4) % 7; /* 1970-01-01 was a Thursday */
    return (int)(since_sunday < 0 ? since_sunday + 7 : since_sunday);
}
