#include "engine/weight_cache.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

namespace crossrank {
namespace {

namespace fs = std::filesystem;

struct Entry {
  std::mutex loading;
  std::weak_ptr<LoadedWeights> weights;
};

struct Cache {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Entry>> entries;
};

// Never destroyed: models may be loaded while the process exits.
Cache& TheCache() {
  static auto* cache = new Cache;
  return *cache;
}

std::shared_ptr<Entry> EntryOf(const std::string& key) {
  Cache& cache = TheCache();
  std::lock_guard<std::mutex> lock(cache.mutex);
  // Those that nothing holds or waits for are gone by the next load.
  for (auto it = cache.entries.begin(); it != cache.entries.end();) {
    const bool unused = it->second.use_count() == 1 && it->second->weights.expired();
    it = unused ? cache.entries.erase(it) : std::next(it);
  }
  std::shared_ptr<Entry>& entry = cache.entries[key];
  if (!entry) entry = std::make_shared<Entry>();
  return entry;
}

}  // namespace

std::string FilesKey(const std::string& folder) {
  std::vector<std::string> files;
  for (const fs::directory_entry& file : fs::directory_iterator(fs::u8path(folder))) {
    const std::string extension = file.path().extension().u8string();
    if (extension != ".safetensors" && extension != ".json") continue;
    std::error_code broken_link;
    const fs::path path = fs::canonical(file.path(), broken_link);
    if (broken_link || !fs::is_regular_file(path)) continue;
    files.push_back(path.u8string() + " " + std::to_string(fs::file_size(path)) + " " +
                    std::to_string(fs::last_write_time(path).time_since_epoch().count()));
  }
  std::sort(files.begin(), files.end());
  std::string key;
  for (const std::string& file : files) key += file + "\n";
  return key;
}

std::shared_ptr<LoadedWeights> ShareWeights(const std::string& key,
                                            const std::function<std::shared_ptr<LoadedWeights>()>& load) {
  const std::shared_ptr<Entry> entry = EntryOf(key);
  std::lock_guard<std::mutex> lock(entry->loading);
  std::shared_ptr<LoadedWeights> weights = entry->weights.lock();
  if (!weights) entry->weights = weights = load();
  return weights;
}

}  // namespace crossrank
