"""The 32 tasks of Skean et al. 2025, as the pinned mteb names them: type, dataset repository, commit, subset."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """Where the data of a task are."""

    type: str
    repository: str
    revision: str
    subset: str | None = None


PUBLISHED: dict[str, Published] = {
    "SprintDuplicateQuestions": Published(
        "PairClassification",
        "mteb/sprintduplicatequestions-pairclassification",
        "d66bd1f72af766a5cc4b0ca5e00c162f89e8cc46",
    ),
    "TwitterSemEval2015": Published(
        "PairClassification", "mteb/twittersemeval2015-pairclassification", "70970daeab8776df92f5ea462b6173c0b46fd2d1"
    ),
    "TwitterURLCorpus": Published(
        "PairClassification", "mteb/twitterurlcorpus-pairclassification", "8b6510b0b1fa4e4c4f879467980e9be563ec1cdf"
    ),
    "AmazonCounterfactualClassification": Published(
        "Classification", "mteb/amazon_counterfactual", "1f7e6a9d6fa6e64c53d146e428565640410c0df1", "en"
    ),
    "AmazonReviewsClassification": Published(
        "Classification", "mteb/AmazonReviewsClassification", "6b5d328eaae8ef408dd7d775040245cf86f92e9d", "en"
    ),
    "Banking77Classification": Published(
        "Classification", "mteb/banking77", "0fd18e25b25c072e09e0d92ab615fda904d66300"
    ),
    "EmotionClassification": Published("Classification", "mteb/emotion", "4f58c6b202a23cf9a4da393831edf4f9183cad37"),
    "MTOPDomainClassification": Published(
        "Classification", "mteb/MTOPDomainClassification", "a76d16fae880597b9c73047b50159220a441cb54", "en"
    ),
    "MTOPIntentClassification": Published(
        "Classification", "mteb/MTOPIntentClassification", "2992d820f31312593c49a4890430aadadb0f0039", "en"
    ),
    "MassiveIntentClassification": Published(
        "Classification", "mteb/amazon_massive_intent", "4672e20407010da34463acc759c162ca9734bca6", "en"
    ),
    "MassiveScenarioClassification": Published(
        "Classification", "mteb/amazon_massive_scenario", "fad2c6e8459f9e1c45d9315f4953d921437d70f8", "en"
    ),
    "ToxicConversationsClassification": Published(
        "Classification", "mteb/toxic_conversations_50k", "edfaf9da55d3dd50d43143d90c1ac476895ae6de"
    ),
    "TweetSentimentExtractionClassification": Published(
        "Classification", "mteb/tweet_sentiment_extraction", "d604517c81ca91fe16a244d1248fc021f9ecee7a"
    ),
    "ArxivClusteringS2S": Published(
        "Clustering", "mteb/arxiv-clustering-s2s", "f910caf1a6075f7329cdf8c1a6135696f37dbd53"
    ),
    "BiorxivClusteringS2S": Published(
        "Clustering", "mteb/biorxiv-clustering-s2s", "258694dd0231531bc1fd9de6ceb52a0853c6d908"
    ),
    "MedrxivClusteringS2S": Published(
        "Clustering", "mteb/medrxiv-clustering-s2s", "35191c8c0dca72d8ff3efcd72aa802307d469663"
    ),
    "RedditClustering": Published("Clustering", "mteb/reddit-clustering", "24640382cdbf8abc73003fb0fa6d111a705499eb"),
    "StackExchangeClustering": Published(
        "Clustering", "mteb/stackexchange-clustering", "6cbc1f7b2bc0622f2e39d2c77fa502909748c259"
    ),
    "TwentyNewsgroupsClustering": Published(
        "Clustering", "mteb/twentynewsgroups-clustering", "6125ec4e24fa026cec8a478383ee943acfbd5449"
    ),
    "AskUbuntuDupQuestions": Published(
        "Reranking", "mteb/AskUbuntuDupQuestions", "c5691e3c48741d5f83b5cc8e630653d7a8cfc048"
    ),
    "MindSmallReranking": Published("Reranking", "mteb/MindSmallReranking", "227478e3235572039f4f7661840e059f31ef6eb1"),
    "SciDocsRR": Published("Reranking", "mteb/SciDocsRR", "39b8377811871075eed9de3b8a7e21aaa6acb3d8"),
    "StackOverflowDupQuestions": Published(
        "Reranking", "mteb/StackOverflowDupQuestions", "5debda000fe8e27ebb5c123d38081f92e1847a59"
    ),
    "BIOSSES": Published("STS", "mteb/biosses-sts", "d3fb88f8f02e40887cd149695127462bbcf29b4a"),
    "SICK-R": Published("STS", "mteb/sickr-sts", "20a6d6f312dd54037fe07a32d58e5e168867909d"),
    "STS12": Published("STS", "mteb/sts12-sts", "a0d554a64d88156834ff5ae9920b964011b16384"),
    "STS13": Published("STS", "mteb/sts13-sts", "7e90230a92c190f1bf69ae9002b8cea547a64cca"),
    "STS14": Published("STS", "mteb/sts14-sts", "6031580fec1f6af667f0bd2da0a551cf4f0b2375"),
    "STS15": Published("STS", "mteb/sts15-sts", "ae752c7c21bf194d8b67fd573edf7ae58183cbe3"),
    "STS16": Published("STS", "mteb/sts16-sts", "4d8694f8f0e0100860b497b999b3dbed754a0513"),
    "STS17": Published("STS", "mteb/sts17-crosslingual-sts", "faeb762787bd10488a50c8b5be4a3b82e411949c", "en-en"),
    "STSBenchmark": Published("STS", "mteb/stsbenchmark-sts", "b0fddb56ed78048fa8b90373c8a3cfc37b684831"),
}
