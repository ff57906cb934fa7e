"""AWS Bedrock: chat over Converse, embeddings over InvokeModel, without AWS's own client."""

from headgate_providers.bedrock.backend import BedrockBackend, BedrockOptions

__all__ = ["BedrockBackend", "BedrockOptions"]
