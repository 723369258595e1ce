# SPDX-License-Identifier: Apache-2.0
"""Is a gateway's memory flat?  Judged is what is its own: pages of the store's file that it has mapped
are the kernel's to take back."""
import statistics

from kit.waiting import Failure
from soak import slope_kib_per_min, verdict

JUDGED_MINUTES = 2  # a shorter run is still warming up
AHEAD_KIB = 16384
SANITIZED_MOST = 1.25


def flat(samples, minutes, sanitized=False):
    """Of (seconds, VmRSS, RssAnon); → what to say.  Over minutes: by the median of the first and last
    quarter after a warm-up.  sanitized: most of it is the sanitizer's own, and grows by more."""
    own, all_of_it = [(at, anon) for at, _, anon in samples], [(at, rss) for at, rss, _ in samples]
    try:
        found = verdict(own, minutes)
    except RuntimeError as error:
        return str(error)
    text = (f"own memory {found['first_quarter_kib']:,.0f} to {found['last_quarter_kib']:,.0f} KiB, "
            f"slope {found['slope_kib_per_min']:+,.1f} a minute; resident {all_of_it[-1][1]:,} KiB, "
            f"slope {slope_kib_per_min(all_of_it):+,.1f}")
    limit = found["first_quarter_kib"] * SANITIZED_MOST
    still = found["last_quarter_kib"] <= limit if sanitized else found["flat"]
    if minutes >= JUDGED_MINUTES and not still:
        raise Failure(f"the gateway's memory grows: {text}")
    return text


def bounded(samples, before, what):
    """While a backlog grows: what is read ahead for the sink that is away fills up soon, and then
    nothing may grow.  samples: of the time in which it grew."""
    own = [anon for _, _, anon in samples]
    part = max(1, len(own) // 6)
    early, late = statistics.median(own[part * 2:part * 3] or own), statistics.median(own[-part:])
    text = (f"own memory {before[1]:,} KiB before, then {early:,.0f} to {late:,.0f} {what}; resident {before[0]:,} "
            f"before, most {max(rss for _, rss, _ in samples):,}")
    if late > early * 1.05 + 1024 or late > before[1] + AHEAD_KIB:
        raise Failure(f"the gateway's memory grows: {text}")
    return text
