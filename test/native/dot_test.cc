// Dot products of every table, bit for bit, on memory that ends where the rows do.
#include "check.h"
#include "guarded_memory.h"
#include "kernel_fixture.h"
#include "reference.h"

namespace crossrank::testing {
namespace {

using kernels::KernelTable;

constexpr size_t kColumns[] = {32, 64, 96, 384, 1024};
constexpr size_t kRows[] = {1, 2, 3, 4, 5, 7, 64};

void DoubleSumsHaveTheSameBitsEverywhere(const KernelTable& table) {
  Random random(1);
  for (size_t columns : kColumns) {
    for (size_t rows : kRows) {
      SetContext(table, Join("dot_double columns, rows", {columns, rows}));
      const std::vector<float> query = random.Normal(columns);
      Guarded<double> y(std::vector<double>(query.begin(), query.end()));
      Guarded<float> x(random.Normal(rows * columns));
      Guarded<double> out(rows);
      table.dot_double(y.data(), x.data(), rows, columns, out.data());
      for (size_t r = 0; r < rows; ++r) {
        CHECK(out.data()[r] == RowDot(y.data(), x.data() + r * columns, columns));
        double plain = 0.0, size = 0.0;
        for (size_t c = 0; c < columns; ++c) {
          const double product = y.data()[c] * x.data()[r * columns + c];
          plain += product;
          size += std::fabs(product);
        }
        CHECK_NEAR(out.data()[r], plain, 1e-15 * size * std::sqrt(columns));
      }
    }
  }
}

void IntegerSumsAreExact(const KernelTable& table) {
  Random random(2);
  for (size_t columns : kColumns) {
    const int32_t most = static_cast<int32_t>(std::min<size_t>(32767, (size_t{1} << 31) / (128 * columns)));
    for (size_t rows : kRows) {
      for (size_t queries : {1, 2, 3, 8}) {
        SetContext(table, Join("dot_int8 columns, rows, queries", {columns, rows, queries}));
        Guarded<int16_t> y(queries * columns);
        Guarded<int8_t> x(rows * columns);
        Guarded<int32_t> out(queries * rows);
        const auto from_y = random.Below(y.size(), 2 * most), from_x = random.Below(x.size(), 255);
        for (size_t i = 0; i < y.size(); ++i) y.data()[i] = static_cast<int16_t>(from_y[i] - most + 1);
        for (size_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<int8_t>(from_x[i] - 127);
        // The largest sums there are, of both signs.
        for (size_t c = 0; c < columns; ++c) {
          y.data()[c] = static_cast<int16_t>(most - 1);
          x.data()[c] = static_cast<int8_t>(127);
          x.data()[(rows - 1) * columns + c] = static_cast<int8_t>(-127);
        }
        table.dot_int8(y.data(), queries, x.data(), rows, columns, out.data());
        bool same = true;
        for (size_t q = 0; q < queries; ++q) {
          for (size_t r = 0; r < rows; ++r) {
            same = same && out.data()[q * rows + r] ==
                               RowDot(y.data() + q * columns, x.data() + r * columns, columns);
          }
        }
        CHECK(same);
      }
    }
  }
}

void TestTable(const KernelTable& table) {
  DoubleSumsHaveTheSameBitsEverywhere(table);
  IntegerSumsAreExact(table);
}

}  // namespace
}  // namespace crossrank::testing

int main() { return crossrank::testing::TestEveryTable(crossrank::testing::TestTable); }
