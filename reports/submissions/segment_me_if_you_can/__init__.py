"""The SegmentMeIfYouCan leaderboards."""
