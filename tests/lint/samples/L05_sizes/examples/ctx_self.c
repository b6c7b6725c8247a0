/* ctx_self.c - an example may recur, the library may not
 * SPDX-License-Identifier: MIT
 */
int self(int n)
{
    return self(n);
}
