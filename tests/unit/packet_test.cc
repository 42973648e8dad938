// Packets between our processes: what has come by now, for who waits for many.
#include "postoffice/base/packet.h"

#include <gtest/gtest.h>

#include "postoffice/base/disk.h"

namespace postoffice {
namespace {

struct Question {
    int number = 0;
};
struct Longer {
    int numbers[2] = {};
};

using ArrivalKind = PacketArrival::Kind;

TEST(ReceiveStructNow, NobodyWaitsForWhatHasNotCome) {
    const SocketPair pair = packet_socket_pair();
    EXPECT_EQ(receive_struct_now<Question>(pair.ours.get()).kind, ArrivalKind::nothing);
}

TEST(ReceiveStructNow, WhatHasComeIsThereWithItsDescriptors) {
    const SocketPair pair = packet_socket_pair();
    const Fd file = disk::memory_file("text");
    const int descriptor = file.get();
    send_struct(pair.theirs.get(), Question{7}, std::span(&descriptor, 1));
    const auto arrival = receive_struct_now<Question>(pair.ours.get());
    EXPECT_EQ(arrival.kind, ArrivalKind::packet);
    EXPECT_EQ(arrival.value.number, 7);
    ASSERT_EQ(arrival.descriptors.size(), 1u);
    EXPECT_EQ(disk::read_all(arrival.descriptors.front().get(), 100), "text");
    EXPECT_EQ(receive_struct_now<Question>(pair.ours.get()).kind, ArrivalKind::nothing);
}

TEST(ReceiveStructNow, AnotherSizeIsNoAnswer) {
    const SocketPair pair = packet_socket_pair();
    send_struct(pair.theirs.get(), Question{7});
    EXPECT_EQ(receive_struct_now<Longer>(pair.ours.get()).kind, ArrivalKind::unusable);
    send_struct(pair.theirs.get(), Longer{});
    EXPECT_EQ(receive_struct_now<Question>(pair.ours.get()).kind, ArrivalKind::unusable);
}

TEST(ReceiveStructNow, TheEndIsKnown) {
    SocketPair pair = packet_socket_pair();
    pair.theirs.reset();
    EXPECT_EQ(receive_struct_now<Question>(pair.ours.get()).kind, ArrivalKind::end);
}

}  // namespace
}  // namespace postoffice
