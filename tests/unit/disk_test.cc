// Names of files and folders are made durable where this process can do that.
#include "postoffice/base/disk.h"

#include <gtest/gtest.h>

#include "../support/temporary_folder.h"

namespace postoffice {
namespace {

TEST(SyncName, IsOfTheFolderThatHasTheName) {
    const test::TemporaryFolder folder;
    EXPECT_NO_THROW(disk::sync_name(folder / "file"));  // even if the name was just removed
    EXPECT_THROW(disk::sync_name(folder / "missing/file"), std::system_error);
    EXPECT_NO_THROW(disk::sync_name("/file"));
    EXPECT_NO_THROW(disk::sync_name("file"));
}

}  // namespace
}  // namespace postoffice
