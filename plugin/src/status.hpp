// How the plug-in stands with the studio, in words. The numbers are what the Status parameter shows and projects may have
// kept, so new ones come last. SPDX-License-Identifier: Apache-2.0
#pragma once

namespace takes {

enum class Status {
    kIdle,          // not processing yet
    kReady,
    kFetching,
    kStretching,
    kMaking,
    kNoTakes,
    kNotRunning,
    kSilent,
    kNotStudio,
    kTooMuch,
    kRefused,
    kOtherVersion,
    kShared,
    kGone,
    kSaidNo,
    kBadSound,
    kCount
};

/// The status for a display with little room.
inline const char* words(Status status)
{
    switch (status) {
    case Status::kIdle: return "Waiting for the host";
    case Status::kReady: return "Ready";
    case Status::kFetching: return "Fetching the take";
    case Status::kStretching: return "The studio is stretching";
    case Status::kMaking: return "The studio is making it";
    case Status::kNoTakes: return "No takes yet";
    case Status::kNotRunning: return "The studio is not running";
    case Status::kSilent: return "The studio does not answer";
    case Status::kNotStudio: return "That is not the studio";
    case Status::kTooMuch: return "The studio sends too much";
    case Status::kRefused: return "The studio refuses the token";
    case Status::kOtherVersion: return "The studio is another version";
    case Status::kShared: return "The studio is being shared";
    case Status::kGone: return "The studio has no such take";
    case Status::kSaidNo: return "The studio said no";
    case Status::kBadSound: return "The sound is damaged";
    case Status::kCount: break;
    }
    return "";
}

}  // namespace takes
