/* base.h - no preface is due here
 * SPDX-License-Identifier: MIT
 */
typedef struct cconc_chan cconc_chan;
#define CCONC_API
#define CCONC_NODISCARD
