#include "message_source.h"

#include <system_error>
#include <utility>

#include "postoffice/base/disk.h"

namespace postoffice {
namespace {

constexpr std::size_t block_size = 16384;  // which the processor's first caches hold

}  // namespace

MessageSource::MessageSource(const Stored& message, const SevenBitPlan* plan) : message_(message) {
    if (plan != nullptr) converter_.emplace(*plan);
}

void MessageSource::read_block() {
    block_.resize(block_size);
    try {
        block_.resize(disk::read_at(message_.file, block_, static_cast<off_t>(offset_)));
    } catch (const std::system_error& e) {
        throw MessageUnreadable{e.what()};
    }
    offset_ += block_.size();
}

bool MessageSource::read(std::string& out) {
    const bool is_header = std::exchange(is_at_front_, false) && message_.header != nullptr;
    if (is_header) {
        block_ = message_.header->text;
        offset_ = message_.header->replaces;
    } else {
        read_block();
    }
    const bool at_end = !is_header && block_.size() < block_size;
    if (!converter_) {
        out += block_;
        return !at_end;
    }
    converter_->convert(block_, out);
    if (at_end) converter_->finish(out);
    return !at_end;
}

SevenBitPlan plan_seven_bits(const MessageSource::Stored& message) {
    SevenBitPlanner planner;
    MessageSource source(message);
    std::string block;
    for (bool has_more = true; has_more; block.clear()) {
        has_more = source.read(block);
        planner.read(block);
    }
    return planner.finish();
}

std::uint64_t converted_size(const MessageSource::Stored& message, const SevenBitPlan& plan) {
    std::uint64_t size = 0;
    MessageSource source(message, &plan);
    std::string block;
    for (bool has_more = true; has_more; block.clear()) {
        has_more = source.read(block);
        size += block.size();
    }
    return size;
}

}  // namespace postoffice
