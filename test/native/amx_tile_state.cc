#include "amx_tile_state.h"

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

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

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
  alignas(64) uint8_t tiles[kTiles][kRows][kRowBytes];
};
thread_local Registers registers;

int32_t ReadInt32(const uint8_t* p) {
  int32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

void CheckTile(const uint8_t* code, int tile) {
  if (!registers.configured) Refuse(code, "a tile instruction without a configuration");
  if (tile >= kTiles) Refuse(code, "tile %d", tile);
  if (registers.configuration.rows[tile] == 0) Refuse(code, "tile %d is not configured", tile);
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

}  // namespace

void Refuse(const uint8_t* code, const char* format, ...) {
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

void ReleaseTiles() {
  std::memset(registers.tiles, 0, sizeof registers.tiles);
  registers.configured = false;
}

void LoadConfiguration(const uint8_t* code, const uint8_t* from) {
  Configuration c;
  std::memcpy(&c, from, sizeof c);
  ReleaseTiles();
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

void ZeroTile(const uint8_t* code, int tile) {
  CheckTile(code, tile);
  std::memset(registers.tiles[tile], 0, sizeof registers.tiles[tile]);
  registers.configuration.start_row = 0;
}

void LoadTile(const uint8_t* code, const Instruction& i) {
  CheckTile(code, i.reg);
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
  CheckTile(code, i.reg);
  const Configuration& c = registers.configuration;
  if (c.start_row >= c.rows[i.reg]) Refuse(code, "start row %d of tile %d", c.start_row, i.reg);
  for (int r = c.start_row; r < c.rows[i.reg]; ++r) {
    std::memcpy(i.address + r * i.row_stride, registers.tiles[i.reg][r], c.row_bytes[i.reg]);
  }
  registers.configuration.start_row = 0;
}

void MultiplyTiles(const uint8_t* code, const Instruction& i) {
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

}  // namespace crossrank::testing
