// Reading the instructions: Intel SDM volume 2 (VEX map 0F38, opcodes 49, 4B, 5C, 5E).
//
// The handler runs on the stack of the thread that met the instruction, below its red zone: that needs no
// preparation of each thread, as an alternate stack would. The kernel saves and clears the vector registers
// and MXCSR for it, so it may use them.
#include "amx_emulator.h"

#include <cpuid.h>
#include <signal.h>
#include <ucontext.h>
#include <xmmintrin.h>

#include <cstdlib>
#include <cstring>

#include "amx_permission.h"
#include "amx_tile_state.h"

namespace crossrank::testing {
namespace {

thread_local uint64_t instructions;

// ---- Decoding ----

int64_t Register(const ucontext_t& context, int number) {
  static constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                     REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return context.uc_mcontext.gregs[kOrder[number]];
}

int32_t ReadInt32(const uint8_t* p) {
  int32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

//  C4 | ~R ~X ~B map(5) | W ~vvvv(4) L pp(2) | opcode | ModRM | SIB | displacement of 1 or 4 bytes
Instruction Decode(const uint8_t* code, const ucontext_t& context) {
  if (code[0] != 0xC4) Refuse(code, "not a VEX instruction of three bytes");
  if ((code[1] & 0x1F) != 2) Refuse(code, "not in the map of AMX");
  const int x_bit = code[1] & 0x40 ? 0 : 8, b_bit = code[1] & 0x20 ? 0 : 8;
  const uint8_t modrm = code[4];
  const int mod = modrm >> 6, rm = modrm & 7;
  Instruction i = {};
  i.opcode = code[3];
  i.prefix = code[2] & 3;
  i.reg = static_cast<uint8_t>((modrm >> 3 & 7) | (code[1] & 0x80 ? 0 : 8));
  i.vvvv = static_cast<uint8_t>(~code[2] >> 3 & 15);
  i.wide = (code[2] & 0x84) != 0;  // W or L
  i.memory = mod != 3;
  i.length = 5;
  if (!i.memory) {
    i.rm = static_cast<uint8_t>(rm | b_bit);
    return i;
  }
  const uint8_t* next = code + 5;
  int64_t base = 0;
  bool displacement_alone = mod == 0 && rm == 5;  // relative to the next instruction
  bool relative = displacement_alone;
  if (rm == 4) {
    i.has_sib = true;
    const uint8_t sib = *next++;
    const int index = (sib >> 3 & 7) | x_bit;
    if (index != 4) i.row_stride = Register(context, index) * (int64_t{1} << (sib >> 6));
    displacement_alone = mod == 0 && (sib & 7) == 5;
    if (!displacement_alone) base = Register(context, (sib & 7) | b_bit);
  } else if (!displacement_alone) {
    base = Register(context, rm | b_bit);
  }
  if (mod == 1) {
    base += static_cast<int8_t>(*next++);
  } else if (mod == 2 || displacement_alone) {
    base += ReadInt32(next);
    next += 4;
  }
  if (relative) base += reinterpret_cast<int64_t>(next);
  i.address = reinterpret_cast<uint8_t*>(base);
  i.length = static_cast<int>(next - code);
  return i;
}

// ---- The instructions ----

void Configure(const uint8_t* code, const Instruction& i) {
  if (i.vvvv != 0) Refuse(code, "VEX.vvvv is not 1111");
  if (i.memory && i.reg == 0 && i.prefix == kNone) return LoadConfiguration(code, i.address);
  if (i.memory && i.reg == 0 && i.prefix == k66) return StoreConfiguration(i.address);
  if (!i.memory && i.reg == 0 && i.rm == 0 && i.prefix == kNone) return ReleaseTiles();
  if (!i.memory && i.rm == 0 && i.prefix == kF2) return ZeroTile(code, i.reg);
  Refuse(code, "no instruction of AMX");
}

void Move(const uint8_t* code, const Instruction& i) {
  if (!i.has_sib || i.vvvv != 0 || i.prefix == kNone) Refuse(code, "no instruction of AMX");
  if (i.prefix == kF3) return StoreTile(code, i);
  LoadTile(code, i);  // tileloadd, tileloaddt1
}

void Multiply(const uint8_t* code, const Instruction& i) {
  if (i.memory || (i.opcode == 0x5C && i.prefix != kF3)) Refuse(code, "no instruction of AMX");
  MultiplyTiles(code, i);
}

void OnIllegalInstruction(int, siginfo_t*, void* raw_context) {
  ucontext_t& context = *static_cast<ucontext_t*>(raw_context);
  const uint8_t* code = reinterpret_cast<const uint8_t*>(context.uc_mcontext.gregs[REG_RIP]);
  const Instruction i = Decode(code, context);
  if (i.wide) Refuse(code, "VEX.W and VEX.L must be zero");
  _mm_setcsr(0x1F80 | 0x8040);  // no exceptions, to nearest even, denormals are zeros both ways
  if (i.opcode == 0x49) {
    Configure(code, i);
  } else if (i.opcode == 0x4B) {
    Move(code, i);
  } else if (i.opcode == 0x5C || i.opcode == 0x5E) {
    Multiply(code, i);
  } else {
    Refuse(code, "no instruction of AMX");
  }
  ++instructions;
  context.uc_mcontext.gregs[REG_RIP] += i.length;
}

bool Install() {
  if (CpuRunsAmx()) return false;
  struct sigaction action = {};
  action.sa_sigaction = OnIllegalInstruction;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGILL, &action, nullptr) != 0) std::abort();
  return true;
}

}  // namespace

bool CpuRunsAmx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25, kAll = kBf16 | kTile | kInt8;
  return (edx & kAll) == kAll && kernels::RequestAmxPermission();
}

bool InstallAmxEmulator() {
  static const bool emulated = Install();
  return emulated;
}

uint64_t EmulatedInstructions() { return instructions; }

}  // namespace crossrank::testing
