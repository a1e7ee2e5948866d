"""Make more objects than one page of a listing has."""

import boto3

s3 = boto3.client("s3")
s3.create_bucket(Bucket="letters")
for number in range(1_100):
    s3.put_object(Bucket="letters", Key=f"2025/{number:05}.txt", Body="two words " * (number % 3))
s3.put_object(Bucket="letters", Key="2026/00000.txt", Body="under another prefix")
print("s3://letters/2025/ has 1,100 objects")
