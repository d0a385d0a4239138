// Every pair of every waiting request is in exactly one chunk, and chunks keep their limits.
#include "engine/composer.h"

#include <algorithm>
#include <map>
#include <random>

#include "check.h"

namespace crossrank::testing {
namespace {

constexpr size_t kSpecialTokens = 3;

std::shared_ptr<Request> MakeRequest(std::mt19937& random, size_t pairs, size_t longest) {
  auto request = std::make_shared<Request>();
  for (size_t i = 0; i < pairs; i++) request->lengths.push_back({2, random() % longest});
  return request;
}

size_t Tokens(const ChunkItem& item) {
  const PairLengths& lengths = item.request->lengths[item.document];
  return lengths.query + lengths.document + kSpecialTokens;
}

void CheckLimits(const std::vector<ChunkItem>& chunk, const ComposerLimits& limits) {
  CHECK(chunk.size() <= limits.max_rows);
  size_t sum = 0, longest = 0;
  for (const ChunkItem& item : chunk) {
    sum += Tokens(item);
    longest = std::max(longest, Tokens(item));
  }
  const size_t cost = limits.padded ? longest * chunk.size() : sum;
  CHECK(chunk.size() == 1 || cost <= limits.max_tokens);
}

void TestEveryPairOnce(const ComposerLimits& limits) {
  std::mt19937 random(limits.max_tokens + limits.lanes);
  Composer composer(limits);
  std::map<std::pair<const Request*, uint32_t>, int> seen;
  std::vector<std::shared_ptr<Request>> requests;
  size_t expected = 0;
  const auto take = [&] {
    const std::vector<ChunkItem> chunk = composer.Next();
    CHECK(!chunk.empty());
    CheckLimits(chunk, limits);
    for (const ChunkItem& item : chunk) seen[{item.request.get(), item.document}]++;
  };
  for (int round = 0; round < 50; round++) {
    requests.push_back(MakeRequest(random, 1 + random() % 40, round % 5 == 0 ? 900 : 120));
    expected += requests.back()->lengths.size();
    composer.Add(requests.back(), kSpecialTokens);
    if (random() % 2 == 0) take();
  }
  while (!composer.empty()) take();
  CHECK(composer.Next().empty());
  CHECK(seen.size() == expected);
  CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& entry) { return entry.second == 1; }));
}

// Packed chunks are full: what is left over at the end of a chunk is filled with the shortest pairs.
void TestChunksAreFull() {
  Checks::Get().context = "chunks are full";
  std::mt19937 random(5);
  Composer composer({512, 1 << 30, false, 1});
  auto request = MakeRequest(random, 2000, 120);
  composer.Add(request, kSpecialTokens);
  size_t chunks = 0, tokens = 0;
  while (!composer.empty()) {
    for (const ChunkItem& item : composer.Next()) tokens += Tokens(item);
    chunks++;
  }
  CHECK(static_cast<double>(tokens) / (512.0 * static_cast<double>(chunks)) > 0.97);
}

void TestSmallRequestOccupiesEveryLane() {
  Checks::Get().context = "a small request is cut for every lane";
  std::mt19937 random(6);
  Composer composer({512, 1 << 30, false, 2});
  auto request = std::make_shared<Request>();
  request->lengths.assign(4, {2, 95});
  composer.Add(request, kSpecialTokens);
  CHECK(composer.Next().size() == 2);
  CHECK(!composer.empty());
}

void TestFailedRequestIsDropped() {
  Checks::Get().context = "pairs of a failed request are dropped";
  std::mt19937 random(7);
  Composer composer({512, 1 << 30, false, 1});
  auto failed = MakeRequest(random, 100, 100), healthy = MakeRequest(random, 10, 100);
  composer.Add(failed, kSpecialTokens);
  composer.Add(healthy, kSpecialTokens);
  failed->failed = true;
  size_t pairs = 0;
  while (!composer.empty()) {
    for (const ChunkItem& item : composer.Next()) {
      CHECK(item.request == healthy);
      pairs++;
    }
  }
  CHECK(pairs == 10);
}

void TestChunksMixRequests() {
  Checks::Get().context = "small requests share a chunk";
  std::mt19937 random(8);
  Composer composer({512, 1 << 30, false, 1});
  for (int i = 0; i < 5; i++) composer.Add(MakeRequest(random, 1, 20), kSpecialTokens);
  CHECK(composer.Next().size() == 5);
  CHECK(composer.empty());
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  using crossrank::ComposerLimits;
  for (const ComposerLimits& limits :
       {ComposerLimits{512, 1 << 30, false, 1}, ComposerLimits{512, 1 << 30, false, 4},
        ComposerLimits{64, 1 << 30, false, 2}, ComposerLimits{1, 1 << 30, false, 2},
        ComposerLimits{4096, 32, true, 2}, ComposerLimits{512, 4, true, 3}}) {
    Checks::Get().context =
        "limits " + std::to_string(limits.max_tokens) + (limits.padded ? " padded" : " packed");
    TestEveryPairOnce(limits);
  }
  TestChunksAreFull();
  TestSmallRequestOccupiesEveryLane();
  TestFailedRequestIsDropped();
  TestChunksMixRequests();
  return Checks::Get().Report();
}
