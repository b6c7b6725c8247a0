/* gate.pml - a model that strays from the code
 * SPDX-License-Identifier: MIT
 *
 * Wrong       left_shut  nobody opens
 */
mtype:wrong = { none, left_shut, untold };
bool open;

inline open_it() {                                                    /* gate_open() */
    open = (WRONG != left_shut);
}

inline shut_it() {                                                    /* gate_shut() */
    open = false
}

/* gate_open() */
active proctype opener() {
    open_it()
}

active proctype waiter() { /* nobody's step */
    open
}
