/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation there is, by the file that has it; for the table in operation.c. */
#pragma once
#include "admin/operation.h"

/* operation_state.c */
extern const struct gw_operation gw_operation_report, gw_operation_ledger, gw_operation_store_info;
/* operation_dead.c */
extern const struct gw_operation gw_operation_dlq_ls, gw_operation_dlq_show, gw_operation_dlq_edit;
/* operation_dead_act.c */
extern const struct gw_operation gw_operation_dlq_retry, gw_operation_dlq_drop;
/* operation_replay.c */
extern const struct gw_operation gw_operation_replay;
/* operation_tap.c */
extern const struct gw_operation gw_operation_tap;
/* operation_route.c */
extern const struct gw_operation gw_operation_pause, gw_operation_resume;
