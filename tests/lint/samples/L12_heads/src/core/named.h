/* other.h - the name of another file
 * SPDX-License-Identifier: MIT
 */
