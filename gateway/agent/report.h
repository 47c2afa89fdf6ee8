/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor's report (wire/monitor_ta.h), shown. It comes through Linux: nothing is proven by it.
 */
#ifndef KAPU_AGENT_REPORT_H
#define KAPU_AGENT_REPORT_H

/* `text` is changed. 0: clean; 1: alarms; 2: no check was made yet, or it is no report. */
int report_print(char *text);
int report_print_json(char *text);

#endif
