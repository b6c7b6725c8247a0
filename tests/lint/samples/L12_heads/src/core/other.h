/* other.h - x
 * SPDX-License-Identifier: MIT
 */
