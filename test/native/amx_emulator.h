// AMX on CPUs that have none, for tests: the compiled machine code of the kernels runs as it is, and every
// tile instruction, which such a CPU refuses, is carried out by a handler of SIGILL.
#pragma once

#include <cstdint>

namespace crossrank::testing {

// Whether this CPU runs AMX itself and the operating system lets this process use it.
bool CpuRunsAmx();

// After this, AMX instructions work on every thread of the process: by the CPU where it can, else by
// emulation, at some ten microseconds each. Any test may call it, such as one that runs a whole engine on
// AMX kernels; twice is once. The result says whether they are emulated.
//
// What the Intel SDM answers with #UD or #GP ends the process with a message: an instruction without a
// configuration, a tile that is configured away, sizes that do not fit together, a reserved bit. So does a
// SIGILL of anything but AMX.
bool InstallAmxEmulator();

// How many instructions this thread had emulated.
uint64_t EmulatedInstructions();

}  // namespace crossrank::testing
