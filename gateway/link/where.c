// SPDX-License-Identifier: Apache-2.0
#include "where.h"

bool where_at_main(const struct where *w)
{
    return w->enrolled;
}

bool where_at_enrolment(const struct where *w, uint64_t now_s)
{
    const uint64_t silent = now_s - w->asked_s;

    if (!w->enrolled)
        return true;
    if (!w->main_up)
        return now_s - w->down_s >= WHERE_REFUSED_S;
    return silent >= WHERE_SILENT_S && (silent - WHERE_SILENT_S) % WHERE_EVERY_S < WHERE_VISIT_S;
}
