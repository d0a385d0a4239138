// What the C library keeps of freed memory.
#pragma once

namespace crossrank {

// Hands freed memory back to the system, where the C library does not do so by itself (glibc keeps what lies
// below the top of its heap: after a model is unloaded that is most of it).
void ReturnFreedMemory() noexcept;

}  // namespace crossrank
