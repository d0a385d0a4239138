// AMX's tile registers take 8 KiB a thread, so Linux saves them only for processes that ask.
#pragma once

namespace crossrank::kernels {

// Asks the operating system once, for the whole process; to be called only where the CPU has AMX. Without the
// permission a tile instruction is SIGILL.
bool RequestAmxPermission();

// Why there is no permission, for people; empty where there is one.
const char* AmxRefusal();

}  // namespace crossrank::kernels
