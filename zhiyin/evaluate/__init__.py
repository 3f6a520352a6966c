"""How good would the predictions have been on recordings?"""
