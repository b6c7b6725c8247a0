// nsync.cpp - the cells with nsync: notes, which are its contexts, and once
// SPDX-License-Identifier: MIT
#include "peer.hpp"

#include <nsync.h>

using namespace nsync;
using peer::cell;
using peer::scaled;

namespace {

nsync_note note_new(nsync_note parent)
{
    return nsync_note_new(parent, nsync_time_no_deadline);
}

long new_cancel()
{
    long ops = scaled(2e6);
    nsync_note root = note_new(nullptr);
    for (long i = 0; i < ops; i++) {
        nsync_note child = note_new(root);
        nsync_note_notify(child);
        nsync_note_free(child);
    }
    nsync_note_free(root);
    return ops;
}

long err_live()
{
    long ops = scaled(5e7);
    nsync_note note = note_new(nullptr);
    for (long i = 0; i < ops; i++) {
        if (nsync_note_is_notified(note)) {
            peer::sink = peer::sink + 1;
        }
    }
    nsync_note_free(note);
    return ops;
}

long cancel_tree()
{
    long ops = scaled(1e5);
    nsync_note root = note_new(nullptr);
    std::vector<nsync_note> children;
    for (long i = 0; i < ops; i++) {
        children.push_back(note_new(root));
    }
    nsync_note_notify(root);
    for (auto child : children) {
        nsync_note_free(child);
    }
    nsync_note_free(root);
    return ops;
}

void nothing(void *)
{
}

long once_fast()
{
    static nsync_once once = NSYNC_ONCE_INIT;
    long ops = scaled(2e8);
    for (long i = 0; i < ops; i++) {
        nsync_run_once_arg(&once, nothing, nullptr);
    }
    return ops;
}

} // namespace

int main()
{
    cell("once_fast", "nsync_once", once_fast);
    cell("ctx_new_cancel", "nsync_note", new_cancel);
    cell("ctx_err_live", "nsync_note", err_live);
    cell("ctx_cancel_tree_100k", "nsync_note", cancel_tree);
    return 0;
}
