/* ticker.c - the cells of tickers: a tick that is there, alone and beside a channel
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

static cconc_ticker *start(void)
{
    cconc_ticker *ticker = NULL;
    BENCH(cconc_ticker_new(1, NULL, &ticker)); /* a tick is always there */
    return ticker;
}

static uint64_t wait_ready(uint64_t ops)
{
    cconc_ticker *ticker = start();
    for (uint64_t i = 0; i < ops; i++) {
        BENCH(cconc_ticker_wait(ticker, NULL, NULL));
    }
    cconc_ticker_free(ticker);
    return ops;
}

static uint64_t select_ready(uint64_t ops)
{
    cconc_ticker *ticker = start();
    cconc_chan *ch = NULL;
    BENCH(cconc_chan_new(sizeof(int), 1, &ch));
    for (uint64_t i = 0; i < ops; i++) {
        cconc_select_case cases[] = {cconc_select_recv(ch, NULL),
                                     cconc_select_ticker(ticker, NULL)};
        BENCH(cconc_select(cases, 2, 0, NULL));
    }
    cconc_chan_free(ch);
    cconc_ticker_free(ticker);
    return ops;
}

const struct bench_cell bench_ticker[] = {
    {"ticker_wait_ready", 5000000, wait_ready},
    {"ticker_select_ready", 2000000, select_ready},
    {NULL, 0, NULL},
};
