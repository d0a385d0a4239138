// How much a thread yields to the others of the machine.
#pragma once

namespace crossrank {

constexpr int kMostNice = 19;

// Lowers the calling thread's priority: on Linux by `nice` steps below the process's own (setpriority knows
// threads there), on macOS to the class utility, or background from 10 on, on Windows below normal, lowest or
// idle in three parts. 0 leaves it as it is. A system that refuses is not an error.
void LowerThreadPriority(int nice) noexcept;

}  // namespace crossrank
