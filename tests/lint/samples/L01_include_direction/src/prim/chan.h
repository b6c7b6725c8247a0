/* chan.h - private to a channel
 * SPDX-License-Identifier: MIT
 */
int chan_push(int slot);
