// The cache against a plain model of it, and its bound in bytes.
#include "engine/score_cache.h"

#include <algorithm>
#include <list>
#include <random>

#include "check.h"

namespace crossrank::testing {
namespace {

using std::chrono::milliseconds;
using Time = ScoreCache::Clock::time_point;

constexpr milliseconds kHour(3'600'000);

PairKey Key(uint64_t number) { return {number * 0x9E3779B97F4A7C15u, number}; }

// Keeps the newest, by last use, in a list.
struct PlainCache {
  struct Entry {
    uint64_t number;
    float logit;
    Time expires;
  };
  std::list<Entry> entries;  // newest first

  std::list<Entry>::iterator Place(uint64_t number) {
    return std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.number == number; });
  }
};

void TestAgainstPlainCache() {
  Checks::Get().context = "the least recently used goes first, and what is too old is not found";
  std::mt19937 random(1);
  const size_t labels = 3;
  ScoreCache cache({64 * 1024, milliseconds(500)}, labels);
  PlainCache plain;
  Time now;
  size_t capacity = 0;  // learnt: entries stop growing there
  for (int step = 0; step < 60000; step++) {
    now += milliseconds(random() % 2);
    const uint64_t number = random() % 3000;
    const auto place = plain.Place(number);
    if (random() % 2 == 0) {
      const auto found = cache.Find(Key(number), now);
      const bool expected = place != plain.entries.end() && now < place->expires;
      CHECK(found.has_value() == expected);
      if (found && expected) {
        CHECK(found->logits.size() == labels && found->logits[2] == place->logit);
        CHECK(found->tokens == number % 11 && found->tokens_lost == number % 7);
        plain.entries.splice(plain.entries.begin(), plain.entries, place);
      } else if (place != plain.entries.end()) {
        plain.entries.erase(place);
      }
    } else {
      const float logits[] = {1, 2, static_cast<float>(random() % 1000)};
      const auto tokens = static_cast<uint32_t>(number % 11), lost = static_cast<uint32_t>(number % 7);
      cache.Insert(Key(number), {{logits, labels}, tokens, lost}, now);
      if (place != plain.entries.end()) plain.entries.erase(place);
      plain.entries.push_front({number, logits[2], now + milliseconds(500)});
      capacity = std::max(capacity, cache.entries());
      if (plain.entries.size() > cache.entries()) plain.entries.pop_back();
    }
    CHECK(cache.entries() == plain.entries.size());
    CHECK(cache.bytes() <= 64 * 1024);
  }
  CHECK(capacity > 500);
}

void TestBytes() {
  for (const size_t bytes : {0, 1, 60, 100, 1000, 5000, 1 << 16, 100'000, 1 << 20, 3'000'000}) {
    for (const size_t labels : {1, 5}) {
      Checks::Get().context = "at most " + std::to_string(bytes) + " bytes";
      ScoreCache cache({bytes, kHour}, labels);
      const std::vector<float> logits(labels, 0.5f);
      for (uint64_t i = 0; i < 60000; i++) cache.Insert(Key(i), {logits, 0, 0}, Time());
      CHECK(cache.bytes() <= bytes);
      // It takes what it may: an entry is some 60 bytes with its share of the rest.
      CHECK(cache.entries() >= std::min<size_t>(60000, bytes / (60 + 4 * labels)));
      CHECK(cache.entries() == 0 || cache.Find(Key(59999), Time()).has_value());
    }
  }
}

void TestOffKeepsNothing() {
  Checks::Get().context = "a cache of no bytes keeps nothing";
  ScoreCache cache({}, 1);
  const float logit = 1;
  cache.Insert(Key(1), {{&logit, 1}, 0, 0}, Time());
  CHECK(!cache.Find(Key(1), Time()) && cache.entries() == 0 && cache.bytes() == 0);
}

void TestKeys() {
  Checks::Get().context = "a key tells query, document and cut apart";
  const auto key = [](const char* query, const char* document, size_t max_tokens, Truncation truncation) {
    return KeyOfPair(KeyOfText(query), KeyOfText(document), max_tokens, truncation);
  };
  const PairKey one = key("a", "b", 128, Truncation::kLongestFirst);
  CHECK(one == key("a", "b", 128, Truncation::kLongestFirst));
  CHECK(!(one == key("b", "a", 128, Truncation::kLongestFirst)));
  CHECK(!(one == key("ab", "", 128, Truncation::kLongestFirst)));
  CHECK(!(one == key("a", "b", 127, Truncation::kLongestFirst)));
  CHECK(!(one == key("a", "b", 128, Truncation::kDocument)));
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  TestAgainstPlainCache();
  TestBytes();
  TestOffKeepsNothing();
  TestKeys();
  return Checks::Get().Report();
}
