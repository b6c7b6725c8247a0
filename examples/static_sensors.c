/* static_sensors.c - a channel and a semaphore in static memory: nothing is allocated.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  Two sensors share one bus and send their samples to a logger. The channel, its buffer
 *          and the semaphore for the bus are static, so their cost is known when the program is
 *          linked. From init on they are used like any other.
 * Mistake  Copying the storage, or a struct that contains it, while the object lives. Using the
 *          storage again before free has returned.
 */
#include <cconc/cconc.h>
#include <cconc/static.h>

#include <pthread.h>
#include <stdio.h>

enum { SENSORS = 2, SAMPLES = 50 };

struct sample {
    int sensor;
    int value;
};

CCONC_CHAN_DEFINE(samples, struct sample, 8);
CCONC_SEM_DEFINE(bus, 1);

static struct station {
    cconc_chan *samples;
    cconc_sem *bus;
} station;

/* One transfer at a time. */
static int read_sensor(int sensor, int turn, struct sample *out_sample)
{
    int err = cconc_sem_acquire(station.bus, NULL, 1);
    if (!err) {
        *out_sample = (struct sample){sensor, turn * (sensor + 1)};
        cconc_sem_release(station.bus, 1);
    }
    return err;
}

static void *sense(void *arg)
{
    static int done[SENSORS];
    int *sensor = arg;
    struct sample sample;
    int err = 0;
    for (int turn = 1; turn <= SAMPLES && !err; turn++) {
        err = read_sensor(*sensor, turn, &sample);
        err = err ? err : cconc_chan_send(station.samples, NULL, &sample);
    }
    done[*sensor] = err;
    return &done[*sensor];
}

static int collect(long *sums)
{
    static int numbers[SENSORS];
    pthread_t threads[SENSORS];
    struct sample sample;
    int err = 0;
    int started = 0;
    while (started < SENSORS && !err) {
        numbers[started] = started;
        err = pthread_create(&threads[started], NULL, sense, &numbers[started]);
        started += err ? 0 : 1;
    }
    for (int i = 0; i < started * SAMPLES && !err; i++) {
        err = cconc_chan_recv(station.samples, NULL, &sample);
        sums[sample.sensor] += err ? 0 : sample.value;
    }
    (void)cconc_chan_close(station.samples);
    for (int i = 0; i < started; i++) {
        void *status;
        int failed = pthread_join(threads[i], &status);
        err = err ? err : failed ? failed : *(int *)status;
    }
    return err;
}

int main(void)
{
    long sums[SENSORS] = {0};
    int err = samples_init(&station.samples);
    err = err ? err : bus_init(&station.bus);
    err = err ? err : collect(sums);
    for (int i = 0; i < SENSORS && !err; i++) {
        printf("sensor %d: %d samples, sum %ld\n", i, (int)SAMPLES, sums[i]);
    }
    if (err) {
        fprintf(stderr, "static_sensors: %s\n", cconc_strerror(err));
    }
    cconc_sem_free(station.bus);
    cconc_chan_free(station.samples);
    return err ? 1 : 0;
}
