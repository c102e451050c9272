// SPDX-License-Identifier: Apache-2.0
// A peer of `benchmarks all-reduce`: MPI's all-reduce of int32 numbers between processes.
//
// Measured with Open MPI 4.1. build: mpicc -O2 -o mpi_all_reduce mpi_all_reduce.c
// usage: mpirun -np 2 mpi_all_reduce BYTES [BYTES ...]
// For each size rank 0 says the seconds of the rounds, each as long as its slowest rank took.
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { WARM_UP_ROUNDS = 3, ROUNDS = 10 };

static void measure(long bytes, int rank) {
    int count = (int)(bytes / (long)sizeof(int32_t));
    int32_t *sums = malloc((size_t)bytes);
    if (sums == NULL) MPI_Abort(MPI_COMM_WORLD, 1);
    double own[ROUNDS], slowest[ROUNDS];
    for (int round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
        for (int index = 0; index < count; index++) sums[index] = 1;
        MPI_Barrier(MPI_COMM_WORLD);
        double start = MPI_Wtime();
        MPI_Allreduce(MPI_IN_PLACE, sums, count, MPI_INT32_T, MPI_SUM, MPI_COMM_WORLD);
        double seconds = MPI_Wtime() - start;
        if (round >= 0) own[round] = seconds;
    }
    free(sums);
    MPI_Reduce(own, slowest, ROUNDS, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    if (rank != 0) return;
    fputs("seconds", stdout);
    for (int round = 0; round < ROUNDS; round++) printf(" %.9f", slowest[round]);
    putchar('\n');
    fflush(stdout);
}

int main(int count, char **arguments) {
    MPI_Init(&count, &arguments);
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int index = 1; index < count; index++) measure(atol(arguments[index]), rank);
    MPI_Finalize();
}
