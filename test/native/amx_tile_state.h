// The tiles of a thread and what the instructions of AMX do to them, once decoded: Intel SDM volume 1,
// chapter 18, and the pseudo-code of volume 2. The emulator's other half, amx_emulator.cc, reads machine
// code.
#pragma once

#include <cstdint>

namespace crossrank::testing {

// One decoded instruction. `address` is the memory operand (tiles in memory: of the first row).
struct Instruction {
  uint8_t opcode, prefix;  // prefix: VEX.pp, 0 none, 1 66, 2 F3, 3 F2
  uint8_t reg, rm, vvvv;
  bool memory, has_sib, wide;
  uint8_t* address;
  int64_t row_stride;
  int length;
};

// Ends the process with a message and the bytes at `code`.
[[noreturn]] void Refuse(const uint8_t* code, const char* format, ...);

void LoadConfiguration(const uint8_t* code, const uint8_t* from);
void StoreConfiguration(uint8_t* to);
void ReleaseTiles();
void ZeroTile(const uint8_t* code, int tile);
void LoadTile(const uint8_t* code, const Instruction& instruction);
void StoreTile(const uint8_t* code, const Instruction& instruction);
// tdpbf16ps and tdpb??d. MXCSR must flush denormals both ways and round to nearest even.
void MultiplyTiles(const uint8_t* code, const Instruction& instruction);

enum Prefix : uint8_t { kNone = 0, k66 = 1, kF3 = 2, kF2 = 3 };

}  // namespace crossrank::testing
