// The instructions and their encodings: Intel SDM volume 2 (VEX map 0F38, opcodes 49, 4B, 5C, 5E) and volume
// 1, chapter 18.
//
// The handler runs on the stack of the thread that met the instruction, below its red zone: that needs no
// preparation of each thread, as an alternate stack would. The kernel saves and clears the vector registers
// and MXCSR for it, so it may use them.
#include "amx_emulator.h"

#include <cpuid.h>
#if defined(__GNUC__) && !defined(__clang__)
// As in simd_avx512.h.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
#include <signal.h>
#include <ucontext.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "amx_permission.h"

namespace crossrank::testing {
namespace {

constexpr int kTiles = 8, kRows = 16, kRowBytes = 64;

// As in memory (ldtilecfg, sttilecfg).
struct Configuration {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(Configuration) == 64, "the operand of ldtilecfg is one line");

// The registers of one thread. Bytes and rows past a tile's configured size are zeros, as in the CPU.
struct Registers {
  bool configured;
  Configuration configuration;
  uint64_t instructions;
  alignas(64) uint8_t tiles[kTiles][kRows][kRowBytes];
};
thread_local Registers registers;

// One decoded instruction. `address` is the memory operand (tiles in memory: of the first row).
struct Instruction {
  uint8_t opcode, prefix;  // prefix: VEX.pp, 0 none, 1 66, 2 F3, 3 F2
  uint8_t reg, rm, vvvv;
  bool memory, has_sib, wide;
  uint8_t* address;
  int64_t row_stride;
  int length;
};

[[noreturn]] void Refuse(const uint8_t* code, const char* format, ...) {
  std::fprintf(stderr, "AMX emulator: ");
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fprintf(stderr, "; instruction");
  for (int i = 0; i < 10; ++i) std::fprintf(stderr, " %02x", code[i]);
  std::fprintf(stderr, "\n");
  std::abort();
}

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

// ---- Configuration ----

void LoadConfiguration(const uint8_t* code, const uint8_t* from) {
  Configuration c;
  std::memcpy(&c, from, sizeof c);
  std::memset(registers.tiles, 0, sizeof registers.tiles);
  registers.configured = false;
  if (c.palette == 0) return;
  if (c.palette != 1) Refuse(code, "palette %d", c.palette);
  for (uint8_t byte : c.reserved) {
    if (byte != 0) Refuse(code, "a reserved byte of the configuration is not zero");
  }
  for (int t = 0; t < 16; ++t) {
    const bool exists = t < kTiles;
    if (c.row_bytes[t] > (exists ? kRowBytes : 0) || c.rows[t] > (exists ? kRows : 0) ||
        (c.row_bytes[t] == 0) != (c.rows[t] == 0)) {
      Refuse(code, "tile %d configured as %d rows of %d bytes", t, c.rows[t], c.row_bytes[t]);
    }
  }
  registers.configuration = c;
  registers.configured = true;
}

void StoreConfiguration(uint8_t* to) {
  if (registers.configured) {
    std::memcpy(to, &registers.configuration, sizeof registers.configuration);
  } else {
    std::memset(to, 0, sizeof registers.configuration);
  }
}

void CheckTile(const uint8_t* code, int tile) {
  if (!registers.configured) Refuse(code, "a tile instruction without a configuration");
  if (tile >= kTiles) Refuse(code, "tile %d", tile);
  if (registers.configuration.rows[tile] == 0) Refuse(code, "tile %d is not configured", tile);
}

// ---- Tiles ----

void LoadTile(const uint8_t* code, const Instruction& i) {
  const Configuration& c = registers.configuration;
  if (c.start_row >= c.rows[i.reg]) Refuse(code, "start row %d of tile %d", c.start_row, i.reg);
  uint8_t (&tile)[kRows][kRowBytes] = registers.tiles[i.reg];
  for (int r = c.start_row; r < c.rows[i.reg]; ++r) {
    std::memset(tile[r], 0, kRowBytes);
    std::memcpy(tile[r], i.address + r * i.row_stride, c.row_bytes[i.reg]);
  }
  registers.configuration.start_row = 0;
}

void StoreTile(const uint8_t* code, const Instruction& i) {
  const Configuration& c = registers.configuration;
  if (c.start_row >= c.rows[i.reg]) Refuse(code, "start row %d of tile %d", c.start_row, i.reg);
  for (int r = c.start_row; r < c.rows[i.reg]; ++r) {
    std::memcpy(i.address + r * i.row_stride, registers.tiles[i.reg][r], c.row_bytes[i.reg]);
  }
  registers.configuration.start_row = 0;
}

// ---- Products: tile `reg` [m, n] += tile `rm` [m, k] times tile `vvvv` [k, n] ----

void CheckProduct(const uint8_t* code, const Instruction& i) {
  for (int tile : {i.reg, i.rm, i.vvvv}) CheckTile(code, tile);
  const Configuration& c = registers.configuration;
  if (i.reg == i.rm || i.reg == i.vvvv || i.rm == i.vvvv) Refuse(code, "a product that uses a tile twice");
  if (c.row_bytes[i.reg] % 4 != 0 || c.row_bytes[i.rm] % 4 != 0 || c.row_bytes[i.vvvv] % 4 != 0 ||
      c.row_bytes[i.reg] != c.row_bytes[i.vvvv] || c.rows[i.reg] != c.rows[i.rm] ||
      c.row_bytes[i.rm] / 4 != c.rows[i.vvvv]) {
    Refuse(code, "a product of tiles that do not fit together");
  }
  if (c.start_row != 0) Refuse(code, "a product with start row %d", c.start_row);
}

// Sums of the even and of the odd elements, each by fp32 fused multiply-adds in the order of k, are added and
// their sum added to the tile: the SDM's pseudo-code, a row of sixteen columns at a time. MXCSR flushes
// denormals both ways and rounds to nearest even. Not inlined: MXCSR is set before the call.
__attribute__((noinline, target("avx512f"))) void MultiplyBf16(int to, int left, int right) {
  const Configuration& c = registers.configuration;
  const int depth = c.row_bytes[left] / 4;
  const __mmask16 columns = static_cast<__mmask16>((1u << c.row_bytes[to] / 4) - 1u);
  const __m512i high_half = _mm512_set1_epi32(static_cast<int>(0xFFFF0000u));
  for (int m = 0; m < c.rows[to]; ++m) {
    __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
    for (int k = 0; k < depth; ++k) {
      const __m512i pair = _mm512_set1_epi32(ReadInt32(registers.tiles[left][m] + 4 * k));
      const __m512i row = _mm512_load_si512(registers.tiles[right][k]);
      even = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(pair, 16)),
                             _mm512_castsi512_ps(_mm512_slli_epi32(row, 16)), even);
      odd = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(pair, high_half)),
                            _mm512_castsi512_ps(_mm512_and_si512(row, high_half)), odd);
    }
    const __m512 sum = _mm512_add_ps(_mm512_load_ps(registers.tiles[to][m]), _mm512_add_ps(even, odd));
    _mm512_store_ps(registers.tiles[to][m], _mm512_maskz_mov_ps(columns, sum));
  }
}

// Four products of bytes a 32-bit word, summed without saturation.
template <class Left, class Right>
void MultiplyBytes(int to, int left, int right) {
  const Configuration& c = registers.configuration;
  const int depth = c.row_bytes[left] / 4, columns = c.row_bytes[to] / 4;
  for (int m = 0; m < c.rows[to]; ++m) {
    uint32_t sums[kRowBytes / 4];
    std::memcpy(sums, registers.tiles[to][m], sizeof sums);
    for (int k = 0; k < depth; ++k) {
      Left x[4];
      Right y[kRowBytes];
      std::memcpy(x, registers.tiles[left][m] + 4 * k, sizeof x);
      std::memcpy(y, registers.tiles[right][k], sizeof y);
      for (int n = 0; n < columns; ++n) {
        int32_t sum = 0;
        for (int b = 0; b < 4; ++b) sum += int32_t{x[b]} * int32_t{y[4 * n + b]};
        sums[n] += static_cast<uint32_t>(sum);
      }
    }
    std::memcpy(registers.tiles[to][m], sums, sizeof sums);
  }
}

// ---- The instructions ----

enum Prefix : uint8_t { kNone = 0, k66 = 1, kF3 = 2, kF2 = 3 };

void Configure(const uint8_t* code, const Instruction& i) {
  if (i.vvvv != 0) Refuse(code, "VEX.vvvv is not 1111");
  if (i.memory && i.reg == 0 && i.prefix == kNone) return LoadConfiguration(code, i.address);
  if (i.memory && i.reg == 0 && i.prefix == k66) return StoreConfiguration(i.address);
  if (!i.memory && i.reg == 0 && i.rm == 0 && i.prefix == kNone) {  // tilerelease
    std::memset(registers.tiles, 0, sizeof registers.tiles);
    registers.configured = false;
    return;
  }
  if (!i.memory && i.rm == 0 && i.prefix == kF2) {  // tilezero
    CheckTile(code, i.reg);
    std::memset(registers.tiles[i.reg], 0, sizeof registers.tiles[i.reg]);
    registers.configuration.start_row = 0;
    return;
  }
  Refuse(code, "no instruction of AMX");
}

void Move(const uint8_t* code, const Instruction& i) {
  if (!i.has_sib || i.vvvv != 0 || i.prefix == kNone) Refuse(code, "no instruction of AMX");
  CheckTile(code, i.reg);
  if (i.prefix == kF3) return StoreTile(code, i);
  LoadTile(code, i);  // tileloadd, tileloaddt1
}

void Multiply(const uint8_t* code, const Instruction& i) {
  if (i.memory || (i.opcode == 0x5C && i.prefix != kF3)) Refuse(code, "no instruction of AMX");
  CheckProduct(code, i);
  if (i.opcode == 0x5C) return MultiplyBf16(i.reg, i.rm, i.vvvv);
  switch (i.prefix) {
    case kF2:
      return MultiplyBytes<int8_t, int8_t>(i.reg, i.rm, i.vvvv);
    case kF3:
      return MultiplyBytes<int8_t, uint8_t>(i.reg, i.rm, i.vvvv);
    case k66:
      return MultiplyBytes<uint8_t, int8_t>(i.reg, i.rm, i.vvvv);
    default:
      return MultiplyBytes<uint8_t, uint8_t>(i.reg, i.rm, i.vvvv);
  }
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
  ++registers.instructions;
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

uint64_t EmulatedInstructions() { return registers.instructions; }

}  // namespace crossrank::testing
