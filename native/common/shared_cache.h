// Values that are loaded once and shared while somebody holds them.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/cancellation.h"

namespace crossrank {

template <class Value>
class SharedCache {
 public:
  // The value of `key` that somebody holds, or what `load` returns. Loads of one key wait for each other;
  // where one fails, the next tries for itself. Throws what `load` throws, or kClosed when cancelled while
  // waiting.
  template <class Load>
  std::shared_ptr<Value> Get(const std::string& key, Cancellation& cancellation, Load load) {
    const Cancellation::Listener listener(cancellation, [this] {
      std::lock_guard<std::mutex> lock(mutex_);
      changed_.notify_all();
    });
    std::unique_lock<std::mutex> lock(mutex_);
    const std::shared_ptr<Entry> entry = EntryOf(key);
    changed_.wait(lock, [&] { return cancellation.cancelled() || !entry->loading; });
    cancellation.Check();
    std::shared_ptr<Value> value = entry->value.lock();
    if (value) return value;
    entry->loading = true;
    lock.unlock();
    try {
      value = load();
    } catch (...) {
      End(*entry, nullptr);
      throw;
    }
    End(*entry, value);
    return value;
  }

 private:
  struct Entry {
    bool loading = false;
    std::weak_ptr<Value> value;
  };

  std::shared_ptr<Entry> EntryOf(const std::string& key) {
    // Those that nothing holds or waits for are gone by the next load.
    for (auto it = entries_.begin(); it != entries_.end();) {
      const bool unused = it->second.use_count() == 1 && it->second->value.expired();
      it = unused ? entries_.erase(it) : std::next(it);
    }
    std::shared_ptr<Entry>& entry = entries_[key];
    if (!entry) entry = std::make_shared<Entry>();
    return entry;
  }

  void End(Entry& entry, const std::shared_ptr<Value>& value) {
    std::lock_guard<std::mutex> lock(mutex_);
    entry.loading = false;
    entry.value = value;
    changed_.notify_all();
  }

  std::mutex mutex_;  // guards what follows, and every entry
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;
};

}  // namespace crossrank
