/* os.h - the last words of a process
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_OS_H
#define PLAT_OS_H

/* Write text to standard error, with nothing in between. */
void cconc__os_complain(const char *text);

/* End the process by SIGABRT. */
_Noreturn void cconc__os_abort(void);

#endif
